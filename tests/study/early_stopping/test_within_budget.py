"""Replays within a budget: no step begins that would overrun it."""

from __future__ import annotations

import pytest
from factories.application_targets import make_targets
from factories.recordings import application, pausing_params, recorded_cell

from rightfit.searching.pausing.pausing_rule import PausingRule
from rightfit_study.early_stopping.experiment import Experiment
from rightfit_study.early_stopping.replay import RecordedSearch
from rightfit_study.early_stopping.within_budget import (
    compare_within,
    follow_within,
    train_within,
)

pytestmark = pytest.mark.whole

CELL = recorded_cell([0.9, 0.7, 0.88, 0.68, 0.92, 0.72, 0.6, 0.65, 0.66, 0.61], [100.0] * 10)
APPLICATIONS = {"accuracy": application()}


@pytest.mark.parametrize(("budget_s", "n_begun"), [(10.0, 4), (100.0, 10)])
def test_first_looks_leave_most_of_the_budget(budget_s: float, n_begun: int) -> None:
    search = RecordedSearch(CELL, list(range(10)))
    rule = PausingRule(make_targets(pausing=pausing_params()))

    follow_within(search, rule, budget_s=budget_s, breadth=0.25)
    trials = search.pool().trials

    assert sum(bool(trial.qualities) for trial in trials) == n_begun  # a look takes a second
    assert search.pool().is_trained(trials[0])
    assert search.cost_s <= budget_s


def test_a_search_that_nothing_else_ends_spends_its_budget() -> None:
    search = RecordedSearch(CELL, list(range(10)))
    rule = PausingRule(make_targets(pausing=pausing_params(min_gain=0)))

    follow_within(search, rule, budget_s=30.0, breadth=0.1)

    assert 30.0 - search.cost_s < 4.0  # a whole training


def test_plain_training_ends_after_the_one_that_exceeds_its_budget() -> None:
    search = RecordedSearch(CELL, list(range(10)))

    train_within(search, 9.0)

    assert search.training_s == 12  # four seconds each


def test_both_methods_are_compared_in_every_cell_and_order() -> None:
    experiment = Experiment([CELL], APPLICATIONS, pausing_params(), 2, 0, ["made"])

    found = compare_within(experiment, budget_s=20.0, breadth=0.25)

    assert found["method"].to_list() == ["pausing", "none"] * 2
    assert found["regret"].min() >= 0  # type: ignore[operator]
