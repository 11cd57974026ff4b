"""The figures of a reader: what they count, and the bounds that hold."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", Path(__file__).with_name("figures.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(figures: ModuleType) -> dict[str, float]:
    return figures.measure(figures.PROJECT)


def test_pronouns_are_names_of_parameters_variables_and_loops(figures: ModuleType) -> None:
    text = "def f(one, job):\n    found = [own for own in one]\n    _ = found\n    job.kept = 1\n"

    assert sorted(figures.list_pronouns(ast.parse(text))) == ["found", "one", "own"]


def test_code_is_neither_docstring_nor_comment_nor_blank(figures: ModuleType) -> None:
    text = '"""A.\n\nB.\n"""\n\n# C\nx = 1  # D\n\n\ndef f():\n    """E."""\n    return x\n'

    assert figures.list_code(text, ast.parse(text)) == [7, 10, 12]


@pytest.mark.parametrize(
    ("package", "most"),
    [
        ("rightfit", 24_950),
        ("rightfit_search", 12_100),
        ("rightfit_kedro", 5_710),  # 230 of them are the schema for editors
        ("rightfit_deploy", 2_880),  # 120 of them are the Open Inference Protocol
    ],
)
def test_packages_do_not_grow(measured: dict[str, float], package: str, most: int) -> None:
    assert measured[f"code of {package}"] <= most


def test_variables_are_named_by_nouns(measured: dict[str, float]) -> None:
    assert measured["pronouns %"] <= 1.5
