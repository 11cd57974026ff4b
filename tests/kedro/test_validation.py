from __future__ import annotations

from typing import Any

import pytest

from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.validation import find_block_faults, find_model_faults

BAYES: dict[str, Any] = {
    "family": "sklearn",
    "estimator": "sklearn.naive_bayes.GaussianNB",  # has no regressor of a like name
    "space": {"var_smoothing": {"type": "float", "low": 1e-9, "high": 1e-6, "log": True}},
}


def find_stopping_faults(rule: str) -> list[str]:
    parameters = complete_parameters({"training": {"early_stopping": rule}})
    return [fault for fault in find_block_faults(parameters) if "early_stopping" in fault]


@pytest.mark.parametrize("rule", ["median", "fakes.stopping_rules.BehindBest"])
def test_stopping_rule_by_name_or_import_path_is_right(rule: str) -> None:
    assert find_stopping_faults(rule) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("medain", "did you mean 'median'?"),
        ("fakes.stopping_rules.NoRule", "has no method prune(study, trial)"),
    ],
)
def test_stopping_rule_that_is_none_is_one_fault(rule: str, said: str) -> None:
    [fault] = find_stopping_faults(rule)

    assert said in fault
    assert fault.endswith("Correct parameters_training.yml.")


@pytest.mark.parametrize(
    "training", [{"patience": 2}, {"n_trials": None, "budget_cpu_s": None}], ids=str
)
def test_a_fault_of_a_whole_block_ends_in_one_full_stop(training: dict[str, Any]) -> None:
    parameters = complete_parameters({"training": training})

    [fault] = [fault for fault in find_block_faults(parameters) if fault.startswith("training")]

    assert fault.endswith(". Correct parameters_training.yml.")
    assert ".." not in fault


def find_faults_of_final_training(**final: Any) -> list[str]:
    parameters = complete_parameters({"datasets": {"flights": {}}, "training": {"final": final}})
    return [fault for fault in find_block_faults(parameters) if "training.final" in fault]


def test_dataset_whose_validation_rows_are_never_learnt_must_exist() -> None:
    [fault] = find_faults_of_final_training(never_for=["x", "flights"])

    assert fault.startswith("training.final.never_for names ['x'], described are ['flights']")
    assert fault.endswith("Correct parameters_training.yml.")


@pytest.mark.parametrize("never_for", [[], ["flights"], "flights"])
def test_dataset_whose_validation_rows_are_never_learnt_may_be_named(never_for: Any) -> None:
    assert find_faults_of_final_training(never_for=never_for) == []


def find_faults_of_model(model: dict[str, Any], dataset: dict[str, Any]) -> list[str]:
    parameters = {
        "grid": {"datasets": ["delays"], "models": ["svm"]},
        "datasets": {"delays": {"tables": ["delays"], "target": {"column": "delay"}} | dataset},
        "models": {"svm": model},
        "training": {"n_checkpoints": 2},
    }
    return list(find_model_faults(parameters, stages=()))


def test_family_that_cannot_learn_a_task_is_named_with_its_dataset() -> None:
    (fault,) = find_faults_of_model(BAYES, {"task": "regression"})

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
    assert find_faults_of_model(BAYES | model, dataset) == []
