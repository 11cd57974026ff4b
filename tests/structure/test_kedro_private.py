"""Private names of Kedro are used in one module, which says of each what to ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOME = "kedro_private.py"
# of a dataset, a context, a runner or the registry; a subclass may use its own (self, super)
PRIVATE = (
    "version", "filepath", "path", "protocol", "folder", "fs", "exists", "exists_function",
    "get_load_path", "get_save_path", "get_versioned_path", "is_async", "inputs", "outputs", "func",
    "pipelines_to_validate", "requested_pipelines", "hook_manager", "get_catalog", "split_params",
)  # fmt: skip
USED = re.compile(rf"""(?<!self)(?<!cls)(?<!\(\))\._({"|".join(PRIVATE)})\b|getattr\(\w+, "_\w""")


def find_private(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if USED.search(line)]


@pytest.mark.parametrize(
    ("line", "is_private"),
    [
        ("dataset._version = Version(None, None)", True),
        ('getattr(dataset, "_filepath", None)', True),
        ("self._version", False),
        ("super()._run(pipeline)", False),
        ("dataset.resolve_load_version()", False),
    ],
)
def test_private_name_is_found(line: str, is_private: bool) -> None:
    assert bool(find_private(line)) is is_private


def test_private_names_of_kedro_are_used_in_one_module(project_path: Path) -> None:
    found = {
        path.name: lines
        for path in (project_path / "src").rglob("*.py")
        if path.name != HOME and "kedro" in (text := path.read_text(encoding="utf-8"))
        for lines in [find_private(text)]
        if lines
    }

    assert found == {}


def test_each_private_name_says_what_to_ask_for(project_path: Path) -> None:
    text = (project_path / "src/rightfit_kedro" / HOME).read_text(encoding="utf-8")

    functions = re.split(r"^def ", text, flags=re.MULTILINE)[1:]

    assert functions
    assert [one.split("(")[0] for one in functions if "Ask upstream:" not in one] == []


def test_no_hook_and_no_node_carries_marks(project_path: Path) -> None:
    found = [
        path.name
        for path in (project_path / "src").rglob("*.py")
        if re.search(r"setattr\(func|vars\(pipeline\)", path.read_text(encoding="utf-8"))
    ]

    assert found == []
