"""A file of applications from anywhere stands for a bounded number of values."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from rightfit._core.errors import RightfitError
from rightfit._core.json_documents import parse_json
from rightfit._core.yaml_documents import read_yaml
from rightfit.api.rank import read_applications


def laugh(first: str, line: str) -> str:
    """Return lines that each name the one before ten times, as in "billion laughs"."""
    lines = [
        line.format(name=name, tenfold=",".join([f"*{before}"] * 10))
        for before, name in itertools.pairwise("abcdefghij")
    ]
    return "\n".join([first, *lines, ""])


@pytest.mark.parametrize(
    "text",
    [
        laugh("a: &a [lol]", "{name}: &{name} [{tenfold}]"),
        laugh("a: &a {x: 1}", "{name}: &{name}\n  <<: [{tenfold}]"),
    ],
    ids=["anchors", "merges"],
)
def test_applications_of_too_many_values_are_refused_at_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "applications.yml"
    path.write_text(text)

    with pytest.raises(RightfitError, match=rf"^{re.escape(str(path))}: .* 100,000 values"):
        read_applications(path)


@pytest.mark.parametrize(
    "text",
    ["", "a: &a [1, 2]\nb: [*a, *a]\n", "a: &a {x: 1}\nb: {<<: *a, y: 2}\n", "a: &a [*a]\n"],
)
def test_few_references_are_no_fault(text: str, tmp_path: Path) -> None:
    (tmp_path / "applications.yml").write_text(text)

    read_yaml(tmp_path / "applications.yml")


def test_a_key_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("board: {price_per_hour: 1}\nboard: {price_per_hour: 2}\n")

    with pytest.raises(RightfitError, match=rf"{re.escape(str(path))}.*board stands twice"):
        read_yaml(path)
    with pytest.raises(ValueError, match="low stands twice"):
        parse_json('{"figures": [{"low": 1, "high": 2, "low": 3}]}')


def test_json_that_is_nested_too_deeply_is_no_traceback() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000)
