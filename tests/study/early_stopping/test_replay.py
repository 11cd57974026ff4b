"""Replays train and measure what a policy would have, and count what that costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.application_targets import make_targets
from factories.recordings import ONE, application, pausing_params, recorded_cell

from rightfit.ranking.applications.applications import Applications
from rightfit_search.searching.observing import project_structure
from rightfit_search.searching.pausing.priors import Prior
from rightfit_study.early_stopping.experiment import Experiment, ReplayTask, replay_task
from rightfit_study.early_stopping.measuring_rule import MeasuringRule
from rightfit_study.early_stopping.peers import Policy, promote_fixed, train_peer
from rightfit_study.early_stopping.recorded import learn_elsewhere
from rightfit_study.early_stopping.replay import RecordedSearch, Truth, follow_rule, measure_by_rule

pytestmark = pytest.mark.whole

QUALITIES = [0.9, 0.7, 0.88, 0.68, 0.92, 0.72, 0.6, 0.65, 0.66, 0.61]
CELL = recorded_cell(QUALITIES, [100.0] * 10)
OTHER = recorded_cell(QUALITIES[::-1], [100.0] * 10, dataset="other")
APPLICATIONS = {"accuracy": application()}
NONE = Policy("none", 0, "all")


def make_search() -> RecordedSearch:
    return RecordedSearch(CELL, list(range(10)))


def make_rule(**changes: Any) -> MeasuringRule:
    return MeasuringRule(make_targets(**{"pausing": pausing_params()} | changes))


def test_no_stopping_pays_for_everything() -> None:
    search = make_search()
    train_peer(search, NONE)
    search.measure_all()

    assert search.cost_s == CELL.total_s == 10 * (4 + 1 + 2)
    assert len(search.measured()) == 10


def test_the_rule_finds_the_same_winner_for_less() -> None:
    search = make_search()
    follow_rule(search, make_rule())

    assert (4, ONE) in search.measured()
    assert search.cost_s < 40


def test_our_measuring_rule_serves_other_policies_too() -> None:
    search = make_search()
    train_peer(search, NONE)
    measure_by_rule(search, make_rule())

    assert (4, ONE) in search.measured()
    assert search.training_s == 40
    assert len(search.measured()) < 10


@pytest.mark.parametrize(("kind", "setting"), [("median", 5), ("halving", 2), ("hyperband", 2)])
def test_optunas_pruners_stop_some_and_not_all(kind: str, setting: float) -> None:
    large = recorded_cell([0.9 - 0.01 * i for i in range(20)], [100.0] * 20)
    search = RecordedSearch(large, list(range(20)))

    train_peer(search, Policy(kind, setting, "all"))  # type: ignore[arg-type]

    n_trained = sum(search.pool().is_trained(trial) for trial in search.pool().trials)
    assert 0 < n_trained < 20


def test_hyperband_stops_the_same_trainings_in_each_replay() -> None:
    large = recorded_cell([0.9 - 0.01 * i for i in range(20)], [100.0] * 20)
    found = []
    for _ in range(3):
        search = RecordedSearch(large, list(range(20)))
        train_peer(search, Policy("hyperband", 2, "all"))
        found.append([len(trial.qualities) for trial in search.pool().trials])

    assert found[0] == found[1] == found[2]


def test_fixed_promotion_trains_for_each_application_the_best_after_each_look() -> None:
    sizes = [10.0 * (i + 1) for i in range(10)]
    cell = recorded_cell([0.9 - 0.01 * i for i in range(9)] + [0.95], sizes)
    wants = {"accuracy": application(), "small": application(max_size_mib=0.9 * max(sizes) / 10)}
    lines = learn_elsewhere(cell, [cell, replace(cell, dataset="other")])
    search = RecordedSearch(cell, list(range(10)))

    promote_fixed(search, make_rule(applications=Applications(wants), prior=lines), (4, 1))

    looks = [len(trial.qualities) for trial in search.pool().trials]
    assert looks == [3, 2, 2, 2, 1, 1, 1, 1, 1, 3]


def test_winners_by_validation_are_judged_on_the_test_rows() -> None:
    truth = Truth(CELL, APPLICATIONS, best_quality=0.92, best_tested=0.91)

    assert truth.best("accuracy") == pytest.approx(0.92)
    assert truth.tested("accuracy") == pytest.approx(0.91)
    assert truth.reached("accuracy", [(0, ONE)]) == pytest.approx(0.9)
    assert np.isneginf(truth.reached("accuracy", []))


def test_priors_are_learnt_from_other_datasets_only() -> None:
    assert learn_elsewhere(CELL, [CELL]) == Prior()
    assert learn_elsewhere(CELL, [CELL, OTHER]).lines


def test_an_experiment_describes_savings_and_losses() -> None:
    experiment = Experiment(
        [CELL, OTHER], APPLICATIONS, pausing_params(), n_orders=2, seed=0, datasets=["made"]
    )

    (none,) = replay_task(experiment, ReplayTask("made", NONE, 0))
    (ours,) = replay_task(experiment, ReplayTask("made", Policy("pausing", 0.005, "rule"), 0))

    assert (none["cost_s"], none["regret"]) == (70.0, 0.0)
    assert ours["cost_s"] < ours["full_s"] == 70.0
    assert not ours["is_lost"]
    assert {task.dataset for task in experiment.tasks()} == {"made"}


def test_an_infeasible_application_costs_nothing() -> None:
    experiment = Experiment([CELL], APPLICATIONS, pausing_params(), 1, 0, ["made"])
    ours = Policy("pausing", 0.005, "rule")

    (alone,) = replay_task(experiment, ReplayTask("made", ours, 0))
    (joined,) = replay_task(experiment, ReplayTask("made", ours, 0, "too_fast"))

    assert joined["cost_s"] == alone["cost_s"]


@pytest.mark.parametrize(("growth", "expected"), [("constant", 5.0), ("affine", 20.0)])
def test_structure_is_projected_as_it_grows(growth: str, expected: float) -> None:
    assert project_structure({"n_nodes": 5.0}, growth=growth, ratio=4) == {"n_nodes": expected}


def test_a_lucky_model_just_above_its_limit_keeps_no_safe_one_out() -> None:
    cell = recorded_cell([0.89, 0.91], [100.0] * 2)
    wants = {"fit": application(min_quality=0.9)}
    looks = [
        tuple(
            replace(look, quality=look.quality and quality, quality_error=0.02)
            for look in recorded.trial.looks
        )
        for recorded, quality in zip(cell.trials, (0.925, 0.91), strict=True)
    ]
    trials = [
        replace(recorded, trial=replace(recorded.trial, looks=seen))
        for recorded, seen in zip(cell.trials, looks, strict=True)
    ]
    search = RecordedSearch(replace(cell, trials=trials), [0, 1])

    params = pausing_params(min_gain=0)
    follow_rule(search, make_rule(applications=Applications(wants), pausing=params))

    assert (1, ONE) in search.measured()
