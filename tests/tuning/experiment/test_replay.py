"""Replays cut recorded trainings where a policy would have, and count what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recordings import ONE, application, recorded_cell, rule_params

from rightfit.tuning.experiment.experiment import (
    ALL,
    JUDGE,
    MEDIAN_ON_UTILITY,
    NONE,
    Experiment,
    replay_task,
    standard_policies,
)
from rightfit.tuning.experiment.policies import JudgePolicy, NoStopping
from rightfit.tuning.experiment.recorded import RecordedTrial
from rightfit.tuning.experiment.replay import Truth, replay
from rightfit.tuning.experiment.validation_noise import validate_again
from rightfit.tuning.judge.projection import project_structure

QUALITIES = [0.9, 0.7, 0.88, 0.68, 0.92, 0.72, 0.6, 0.65, 0.66, 0.61]
CELL = recorded_cell(QUALITIES, [100.0] * 10)
APPLICATIONS = {"accuracy": application()}
ORDER = list(range(10))


def test_no_stopping_pays_for_everything_and_finds_the_winner() -> None:
    truth = Truth(CELL, APPLICATIONS)

    outcome = replay(CELL, ORDER, NoStopping(), judges=truth)

    assert outcome.cost_s == 10 * (4 + 1 + 2)
    assert outcome.winners == {"accuracy": (4, ONE)}


def test_the_judge_finds_the_same_winner_for_less() -> None:
    truth = Truth(CELL, APPLICATIONS)

    policy = JudgePolicy(APPLICATIONS, rule_params(min_gain=0.001))
    outcome = replay(CELL, ORDER, policy, judges=truth)

    assert outcome.winners == {"accuracy": (4, ONE)}
    assert outcome.cost_s < 40
    assert outcome.endings[9].checkpoint is not None
    assert outcome.endings[9].reasons == {"accuracy": "expected_gain"}


def test_a_clairvoyant_trains_and_measures_the_winner_alone() -> None:
    assert Truth(CELL, APPLICATIONS).clairvoyant_s() == 4 + 1 + 2


def test_no_winner_where_nothing_keeps_the_limit() -> None:
    truth = Truth(CELL, {"small": application(max_size_mib=1)})

    assert truth.best("small") is None
    assert replay(CELL, ORDER, NoStopping(), judges=truth).winners == {"small": None}


@pytest.mark.parametrize("policy", ["optuna_median", "optuna_halving", "optuna_hyperband"])
def test_optunas_pruners_stop_some_and_not_all(policy: str) -> None:
    make = standard_policies(rule_params())[policy]
    large = recorded_cell([0.9 - 0.01 * i for i in range(20)], [100.0] * 20)

    outcome = replay(large, list(range(20)), make(APPLICATIONS), judges=Truth(large, APPLICATIONS))

    stopped = [ending for ending in outcome.endings if ending.checkpoint is not None]
    assert 0 < len(stopped) < 20


def test_a_pruner_on_utility_leaves_what_keeps_the_limit() -> None:
    """The better half of the trials is too large; on quality alone the others would be stopped."""
    qualities = [0.9, 0.6, 0.91, 0.61, 0.92, 0.62, 0.93, 0.63, 0.94, 0.64, 0.95, 0.65, 0.96, 0.66]
    cell = recorded_cell(qualities, [200.0, 10.0] * 7)
    small = {"small": application(max_size_mib=5)}
    order = list(range(14))
    policies = standard_policies(rule_params())

    on_utility, on_quality = (
        replay(cell, order, policies[name](small), judges=Truth(cell, small))
        for name in (MEDIAN_ON_UTILITY, "optuna_median")
    )

    assert on_utility.winners == {"small": (13, ONE)}
    assert on_quality.endings[13].checkpoint is not None
    assert Experiment([cell], small, policies, 1, 0).tasks()[2] == (0, JUDGE, "small")
    assert (0, MEDIAN_ON_UTILITY, "small") in Experiment([cell], small, policies, 1, 0).tasks()
    assert (0, MEDIAN_ON_UTILITY, ALL) not in Experiment([cell], small, policies, 1, 0).tasks()


def test_an_experiment_describes_savings_and_losses() -> None:
    policies = {name: standard_policies(rule_params())[name] for name in (NONE, JUDGE)}
    experiment = Experiment([CELL], APPLICATIONS, policies, n_orders=2, seed=0)

    none = replay_task(experiment, (0, NONE, ALL))
    ours = replay_task(experiment, (0, JUDGE, "accuracy"))

    assert experiment.tasks() == [(0, NONE, ALL), (0, JUDGE, ALL), (0, JUDGE, "accuracy")]
    assert [row["cost_s"] for row in none] == [70.0, 70.0]
    assert [row["regret"] for row in none] == [0.0, 0.0]
    assert all(row["cost_s"] < row["full_s"] == 70.0 for row in ours)
    assert not any(row["is_lost"] for row in ours)


@pytest.mark.parametrize(("growth", "expected"), [("constant", 5.0), ("affine", 20.0)])
def test_structure_is_projected_as_it_grows(growth: str, expected: float) -> None:
    assert project_structure({"n_nodes": 5.0}, growth=growth, ratio=4) == {"n_nodes": expected}


def test_luck_stays_with_a_trial_and_is_known_by_its_size() -> None:
    again = validate_again(CELL, 0.02, np.random.default_rng(0), is_known=True)

    shifts = [
        np.subtract(lucky.trial.qualities[1:], recorded.trial.qualities[1:])
        for lucky, recorded in zip(again.trials, CELL.trials, strict=True)
    ]
    assert all(np.ptp(shift) < 1e-12 for shift in shifts)
    assert 0.01 < np.std([shift[0] for shift in shifts]) < 0.04
    assert again.trials[0].trial.last.quality_error == 0.02
    assert again.best_quality == CELL.best_quality


@pytest.mark.parametrize(("known_error", "winner"), [(0.0, None), (0.02, (1, ONE))])
def test_a_lucky_model_just_above_its_limit_keeps_no_safe_one_out(
    known_error: float, winner: object
) -> None:
    cell = recorded_cell([0.89, 0.91], [100.0] * 2)
    wants = {"fit": application(min_quality=0.9)}
    seen = replace(
        cell,
        trials=[
            _flat(cell.trials[0], 0.925, known_error),
            _flat(cell.trials[1], 0.91, known_error),
        ],
    )

    policy = JudgePolicy(wants, rule_params(min_gain=0.01))
    outcome = replay(seen, [0, 1], policy, judges=Truth(cell, wants))

    assert outcome.winners["fit"] == winner


def _flat(recorded: RecordedTrial, quality: float, error: float) -> RecordedTrial:
    """Return a training that is as good at its first look as at its last."""
    looks = tuple(
        replace(look, quality=look.quality and quality, quality_error=error)
        for look in recorded.trial.looks
    )
    return replace(recorded, trial=replace(recorded.trial, looks=looks))
