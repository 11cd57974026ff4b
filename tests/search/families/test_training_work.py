"""A family counts what a training of its consists of; expected values by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC

from rightfit_search.families.registry import get_family
from rightfit_search.families.training_work import TrainingSize

SIZE = TrainingSize(n_rows=100, n_judged=10, n_features=16, n_outputs=2)
STRUCTURE = {"n_operations": 30.0, "n_nodes": 70.0}


def count(family: str, configuration: dict[str, Any]) -> dict[str, float]:
    """Count the second of three checkpoints: half of the training."""
    return get_family(family).count_work(
        configuration, SIZE, STRUCTURE, checkpoint=2, n_checkpoints=3
    )


@pytest.mark.parametrize(("checkpoint", "ratio"), [(1, 4.0), (2, 2.0), (3, 1.0)])
@pytest.mark.parametrize("configuration", [{"n_epochs": 12}, {}], ids=["passes", "shares of rows"])
def test_steps_of_the_whole_training_follow_from_the_checkpoint(
    configuration: dict[str, Any], checkpoint: int, ratio: float
) -> None:
    assert get_family("linear").steps_ratio(configuration, checkpoint, 3) == ratio


@pytest.mark.parametrize(
    ("family", "settings", "n_columns"),
    [
        ("forest", {}, 16.0),
        ("forest", {"max_features": "sqrt"}, 4.0),
        ("forest", {"max_features": "log2"}, 4.0),
        ("boosting", {"max_features": 0.25}, 4.0),
        ("lightgbm", {"colsample_bytree": 0.5}, 8.0),
        ("xgboost", {"colsample_bytree": 1}, 16.0),
    ],
)
def test_work_counts_rows_passes_and_columns(
    family: str, settings: dict[str, Any], n_columns: float
) -> None:
    length = {get_family(family).length_setting or "": 8}

    counts = count(family, length | settings)

    assert counts["passed"] == 400  # four of eight trees
    assert counts["passed_values"] == 6_400
    assert counts["column_operations"] == 3_000 * n_columns
    assert counts["node_columns"] == 70 * n_columns
    assert counts["judged_operations"] == 300


def test_exact_fits_of_linear_models_are_no_passes() -> None:
    exact = count("linear", {"n_epochs": 8, "solver": "lbfgs"})

    assert exact["fitted_values"] == 50 * 16  # half of the rows
    assert exact["fitted_outputs"] == 50 * 16 * 2
    assert exact["passed"] == exact["passed_values"] == exact["passed_operations"] == 0
    assert count("linear", {"n_epochs": 8, "solver": "sgd"})["passed"] == 400


def test_iterations_of_support_vectors_pass_over_the_rows_of_two_classes() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 2))
    family = get_family("sklearn:sklearn.svm.SVC")
    model = SVC().fit(rows, np.arange(30) % 3)

    structure = family.describe_structure(model)
    work = family.count_work(
        {},
        TrainingSize(30, 10, n_features=2, n_outputs=3),
        structure,
        checkpoint=2,
        n_checkpoints=3,
    )

    assert structure["n_iterations"] == model.n_iter_.sum()
    assert work["iterated_rows"] == pytest.approx(model.n_iter_.sum() * 10)  # two thirds of 15
