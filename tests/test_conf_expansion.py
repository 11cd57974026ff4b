from __future__ import annotations

from pathlib import Path

import pytest
from yaml_cases import BOMBS

from rightfit.conf_expansion import find_expansion


@pytest.mark.parametrize("name", BOMBS)
def test_file_of_too_many_values_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yml"
    path.write_text(BOMBS[name])

    (line,) = find_expansion([path])

    assert line.startswith(f"{path}, line ")
    assert "stand for more than 100,000 values" in line


def test_placeholders_of_another_file_count(tmp_path: Path) -> None:
    name = "laughing lists"
    lines = BOMBS[name].splitlines(keepends=True)
    halves = ("".join(lines[:5]), "".join(lines[5:]))
    paths = [tmp_path / "a.yml", tmp_path / "b.yml"]
    for path, half in zip(paths, halves, strict=True):
        path.write_text(half)

    (line,) = find_expansion(paths)

    assert line.startswith(str(paths[1]))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1, 2]\nb: [*a, *a]\n",
        "a: &a {x: 1}\nb: {<<: *a, y: 2}\n",
        "a: 1\nb: ${a}\nc: [${b}, ${.a}, ${environment:HOME}, ${globals:data_root}]\n",
        "a: ${b}\nb: ${a}\n",  # of these the loader says what is wrong
        "a: &a [*a]\n",
        "a: [1\nb: *a & ${a}\n",
        "a: ${nowhere.at.all}\nb: {c: ${.....a}}\n",
        "- &a [1]\n- *a\n",
        f"a: &a [{'1, ' * 60_000} 1]\nb: *a\n",
    ],
    ids=range(9),
)
def test_other_files_are_left_to_the_loader(text: str, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yml"
    path.write_text(text)

    assert list(find_expansion([path, tmp_path / "missing.yml"])) == []
