"""Each promise of SECURITY.md and of the evidence names a test or an attack that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DOCUMENTS = ("SECURITY.md", "docs/explanation/evidence/reliability.md")
SPAN = re.compile(r"`([^`]+)`")
NAMED = re.compile(r"(tests/[\w/]+(?:\.py)?|(?:test_\w+|\w+_cases|attack)\.py)?(?:::(…?\w+))?")


def list_tables(text: str) -> Iterator[list[str]]:
    """Yield the rows of each table whose first column is called ``promise``."""
    for block in text.split("\n\n"):
        head, *rows = block.splitlines() or [""]
        if head.startswith("| promise |"):
            yield rows[1:]


def find_named(text: str) -> Iterator[tuple[str, str]]:
    """Yield file or folder and test of what a text names; a test alone is of the file before."""
    file = ""
    for span in SPAN.findall(text):
        match = NAMED.fullmatch(span)
        if match and span:
            file = match[1] or file
            yield file, match[2] or ""


def find_fault(file: str, test: str) -> str | None:
    """Say what is wrong with a name; ``None`` if it exists. ``…`` stands for a name's beginning."""
    found = [PROJECT / file] if "/" in file else sorted((PROJECT / "tests").rglob(file or "-"))
    found = [path for path in found if path.exists()]
    if not found:
        return f"there is no {file!r}"
    beginning = r"\w*" if test.startswith("…") else ""
    defined = re.compile(rf"^def {beginning}{test.lstrip('…')}\(", re.MULTILINE)
    if test and not any(defined.search(path.read_text(encoding="utf-8")) for path in found):
        return f"{file} has no {test}"
    return None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_named_exists(document: str) -> None:
    named = list(find_named((PROJECT / document).read_text(encoding="utf-8")))

    assert len(named) > 10
    assert [fault for one in named if (fault := find_fault(*one))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_promise_names_what_tries_it(document: str) -> None:
    text = (PROJECT / document).read_text(encoding="utf-8")
    promises = [row for rows in list_tables(text) for row in rows]

    assert len(promises) > 5
    assert [row for row in promises if not list(find_named(row))] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("`tests/structure/test_promises.py::test_what_is_named_exists`", None),
        ("`test_promises.py::…_named_exists`", None),
        ("`test_promises.py`, `::find_fault`", None),
        ("`tests/structure`", None),
        ("`test_nothing.py`", "there is no 'test_nothing.py'"),
        ("`test_promises.py::test_nothing`", "test_promises.py has no test_nothing"),
    ],
)
def test_names_are_looked_up(text: str, fault: str | None) -> None:
    (*_, last) = find_named(text)

    assert find_fault(*last) == fault
