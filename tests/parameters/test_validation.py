from __future__ import annotations

import pytest

from rightfit.parameters.defaults import complete_parameters
from rightfit.parameters.validation import find_block_faults


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


def test_dataset_that_is_never_refitted_must_exist() -> None:
    parameters = complete_parameters({"datasets": {"flights": {}}, "refit": {"never_for": ["x"]}})

    [fault] = [fault for fault in find_block_faults(parameters) if "never_for" in fault]

    assert fault.startswith("refit.never_for names ['x'], described are ['flights']")
    assert fault.endswith("Correct parameters_refit.yml.")
