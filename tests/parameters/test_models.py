"""Faults of models that no block shows alone."""

from __future__ import annotations

from typing import Any

import pytest

from rightfit.parameters.models import find_model_faults

BAYES: dict[str, Any] = {
    "family": "sklearn",
    "estimator": "sklearn.naive_bayes.GaussianNB",  # has no regressor of a like name
    "space": {"var_smoothing": {"type": "float", "low": 1e-9, "high": 1e-6, "log": True}},
}


def find(model: dict[str, Any], dataset: dict[str, Any]) -> list[str]:
    parameters = {
        "grid": {"datasets": ["delays"], "models": ["svm"]},
        "datasets": {"delays": {"tables": ["delays"], "target": {"column": "delay"}} | dataset},
        "models": {"svm": model},
        "training": {"n_checkpoints": 2},
    }
    return list(find_model_faults(parameters, stages=()))


def test_family_that_cannot_learn_a_task_is_named_with_its_dataset() -> None:
    (fault,) = find(BAYES, {"task": "regression"})

    assert fault.startswith("models.svm: sklearn.naive_bayes.GaussianNB")
    assert "the dataset delays" in fault
    assert "models.svm.datasets" in fault


@pytest.mark.parametrize(
    ("model", "dataset"),
    [
        ({}, {"task": "classification"}),
        ({}, {"target": {"column": "delay", "at_least": 30}}),
        ({}, {}),  # known only from the table
        ({"datasets": ["flights"]}, {"task": "regression"}),
    ],
)
def test_family_that_may_learn_its_datasets_has_no_fault(
    model: dict[str, Any], dataset: dict[str, Any]
) -> None:
    assert find(BAYES | model, dataset) == []
