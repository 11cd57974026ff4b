from __future__ import annotations

from typing import Any

import pytest

from rightfit_kedro.grid import Grid, read_grid

PARAMETERS: dict[str, Any] = {
    "grid": {"datasets": ["flights"], "models": ["net", "svm"]},
    "datasets": {"flights": {"tables": ["flights", "planes"]}, "landsat": {"tables": ["landsat"]}},
    "models": {"svm": {"family": "my_study.svm"}, "net": {"family": "net"}},
}


def test_grid_is_what_the_parameters_name() -> None:
    grid = read_grid(PARAMETERS)

    assert grid == Grid(
        tables={"flights": ("flights", "planes")},
        families={"net": "net", "svm": "my_study.svm"},
    )
    assert list(grid.cells()) == [("flights", "net"), ("flights", "svm")]


def test_command_line_names_a_part_of_the_grid() -> None:
    grid = read_grid(PARAMETERS | {"grid": {"datasets": "landsat flights", "models": "svm"}})

    assert list(grid.cells()) == [("landsat", "svm"), ("flights", "svm")]


def test_every_fault_is_named_at_once() -> None:
    faulty = PARAMETERS | {"grid": {"datasets": ["flight"], "models": ["tree"]}}

    with pytest.raises(
        ValueError, match=r"(?s)\['flight'\], described .*\['tree'\].*parameters_grid"
    ):
        read_grid(faulty)


def test_missing_block_is_named() -> None:
    with pytest.raises(ValueError, match=r"lacks the parameters \['models'\].*rightfit init"):
        read_grid({key: value for key, value in PARAMETERS.items() if key != "models"})


def test_model_without_a_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"models\.net\.family must be the name or import path"):
        read_grid(PARAMETERS | {"models": {"net": {}, "svm": {"family": "my_study.svm"}}})


IMPORTED: dict[str, Any] = {
    "family": "imported",
    "file": "models/delays.onnx",
    "datasets": ["flights"],
}


def test_imported_model_takes_part_for_its_datasets_alone() -> None:
    models = {**PARAMETERS["models"], "incumbent": IMPORTED}
    named = {"datasets": ["landsat", "flights"], "models": ["incumbent", "net"]}
    grid = read_grid(PARAMETERS | {"grid": named, "models": models})

    assert list(grid.cells()) == [
        ("landsat", "net"),
        ("flights", "net"),
        ("flights", "incumbent"),
    ]
    assert list(grid.searched_cells()) == [("landsat", "net"), ("flights", "net")]
    assert list(grid.imported_cells()) == [("flights", "incumbent")]


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (["flight"], r"models\.incumbent\.datasets must list datasets of \['flights', 'landsat'\]"),
        (["landsat"], r"The grid has no model for \['flights'\]"),
    ],
)
def test_imported_model_for_no_dataset_of_the_grid_is_refused(
    datasets: list[str], message: str
) -> None:
    models = {"incumbent": IMPORTED | {"datasets": datasets}}
    named = {"datasets": ["flights"], "models": ["incumbent"]}

    with pytest.raises(ValueError, match=message):
        read_grid(PARAMETERS | {"grid": named, "models": models})


def teach(teacher: object, **imported: Any) -> dict[str, Any]:
    """A grid whose flights have a teacher."""
    datasets = PARAMETERS["datasets"]
    return PARAMETERS | {
        "grid": {"datasets": ["landsat", "flights"], "models": ["incumbent", "net"]},
        "datasets": datasets | {"flights": datasets["flights"] | {"teacher": teacher}},
        "models": {**PARAMETERS["models"], "incumbent": IMPORTED | imported},
    }


def test_teacher_of_a_dataset_is_an_imported_model() -> None:
    assert read_grid(teach("incumbent")).teachers == {"flights": "incumbent"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (teach("net"), r"datasets\.flights\.teacher must name an imported model .*got 'net'"),
        (teach(["incumbent"]), r"teacher must name an imported model .*\['incumbent'\]\. Correct"),
        (teach("incumbent", datasets=["landsat"]), r"that reads this dataset's raw"),
        (teach("incumbent", input="encoded"), r"that reads this dataset's raw"),
        (teach("incumbent") | {"training": {"rows": "all"}}, r"training\.rows must be sample"),
    ],
)
def test_teacher_that_cannot_label_is_refused(parameters: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_grid(parameters)


def test_searched_model_takes_part_for_its_datasets_alone() -> None:
    models = {**PARAMETERS["models"], "svm": {"family": "my_study.svm", "datasets": ["landsat"]}}
    named = {"datasets": ["landsat", "flights"], "models": ["net", "svm"]}

    grid = read_grid(PARAMETERS | {"grid": named, "models": models})

    assert list(grid.searched_cells()) == [
        ("landsat", "net"), ("landsat", "svm"), ("flights", "net"),
    ]  # fmt: skip
    assert grid.list_models("flights") == ("net",)


def test_searched_model_for_an_unknown_dataset_is_refused() -> None:
    models = {**PARAMETERS["models"], "svm": {"family": "my_study.svm", "datasets": ["land"]}}

    with pytest.raises(ValueError, match=r"models\.svm\.datasets must list datasets of"):
        read_grid(PARAMETERS | {"models": models})
