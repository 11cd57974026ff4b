"""All applications steer one search: they ask in turns, vote, and choose what is measured."""

from __future__ import annotations

from typing import Any

import pytest
from demands import Play
from optuna.trial import TrialState
from recordings import ONE, application, rule_params

from rightfit.families.family import TrainingData
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.studies.trial_attributes import (
    AUDITED,
    GAINED,
    JUDGED,
    SERVED,
    UNTRAINED,
    VOTES,
)

TWO = ("native", 1, "cpu")
BOTH = Applications({"accuracy": application(), "small": application(max_size_mib=0.5)})


def notes(play: Play, number: int) -> dict[str, Any]:
    return play.study.trials[number].user_attrs


def play_good_trials(play: Play, n: int = 4) -> None:
    for i in range(n):
        play.run(0.90 + i / 200, 0.92 + i / 200)


def test_a_hopeless_trial_is_stopped_with_the_votes_of_all(blobs: TrainingData) -> None:
    play = Play(blobs, applications=BOTH)
    play_good_trials(play)

    stop = play.run(0.2, 0.25)

    assert stop is not None
    assert stop.checkpoint < 2
    assert set(notes(play, 4)[VOTES]) == {"accuracy", "small"}
    assert notes(play, 4)[VOTES]["accuracy"]["rule"] == "expected_gain"
    assert stop.reason.startswith("certain_violation + expected_gain: ") or (
        stop.reason.startswith("expected_gain")
    )
    assert play.study.trials[4].state == TrialState.PRUNED


def test_one_application_that_wants_a_trial_keeps_it(blobs: TrainingData) -> None:
    alone, both = Play(blobs), Play(blobs, applications=BOTH)
    for play in (alone, both):
        play.run(0.95, 0.99, size_mib=1.0)  # not small enough, and that is all there is

    assert alone.run(0.2, 0.3) is not None
    assert both.run(0.2, 0.3) is None


def test_something_is_kept_though_nobody_wants_it(blobs: TrainingData) -> None:
    play = Play(blobs, rules=rule_params(max_step_time_ms=0.5))  # a made-up step takes 1 ms

    assert play.run(0.5, 0.6) is None
    assert play.run(0.5, 0.6) is not None


def test_a_trained_model_that_is_the_best_by_little_is_kept(blobs: TrainingData) -> None:
    play = Play(blobs)
    play.run(0.90, 0.92)

    assert play.run(0.90, 0.9201) is None
    assert play.run(0.90, 0.9199) is not None


def test_a_training_that_costs_too_much_is_stopped_whoever_wants_it(blobs: TrainingData) -> None:
    play = Play(blobs, rules=rule_params(max_step_time_ms=0.5))
    play.run(0.5, 0.6)

    stop = play.run(0.9, 0.99)

    assert stop is not None
    assert stop.votes["accuracy"].rule == "training_limit"
    assert stop.votes["accuracy"].metric == "step_time_ms"


def test_what_is_measured_is_kept_with_the_trial_and_makes_an_incumbent(
    blobs: TrainingData,
) -> None:
    play = Play(blobs, servings=(ONE, TWO), applications=BOTH)

    play.run(0.9, 0.92, size_mib=0.25)

    assert set(play.bench.measured) <= {ONE, TWO}
    assert notes(play, 0)[SERVED][0] == {
        "serving": list(play.bench.measured[0]),
        "metrics": {"model_size_mib": 0.25, "latency_p50_ms": 1.0},
    }
    assert notes(play, 0)[GAINED] == ["accuracy", "small"]
    assert notes(play, 0)[UNTRAINED]["n_parameters"] > 0
    assert notes(play, 0)[JUDGED]["measuring_s"] == 0.5 * len(play.bench.measured)


def test_a_trial_that_beats_nobody_gains_nothing(blobs: TrainingData) -> None:
    play = Play(blobs)
    play.run(0.9, 0.95)

    play.run(0.9, 0.94)

    assert GAINED not in notes(play, 1)


def test_an_audited_stop_is_noted_and_not_carried_out(blobs: TrainingData) -> None:
    play = Play(blobs, audit_share=1.0)
    play_good_trials(play)

    assert play.run(0.2, 0.25) is None
    assert notes(play, 4)[AUDITED]["votes"]["accuracy"]["rule"] == "expected_gain"
    assert notes(play, 4)[AUDITED]["checkpoint"] in (1, 2)
    assert GAINED not in notes(play, 4)
    assert play.study.trials[4].state == TrialState.COMPLETE


def test_applications_ask_in_turns_once_there_are_trials_to_learn_from(
    blobs: TrainingData,
) -> None:
    play = Play(blobs, applications=BOTH)
    play.run(0.9, 0.92)

    proposals = [play.steering.propose(draw) for draw in range(4)]

    assert proposals[0] is None  # drawn at random
    assert [p.asked_by for p in proposals[1:] if p] == ["small", "accuracy", "small"]
    assert all(set(p.params) == {"alpha", "eta0"} for p in proposals[1:] if p)


def test_an_application_that_is_added_starts_from_the_stored_trials(blobs: TrainingData) -> None:
    play = Play(blobs)
    play.run(0.9, 0.95, size_mib=0.1)
    play.run(0.9, 0.96, size_mib=2.0)
    later = Play(blobs, applications=BOTH)
    later.study.add_trials(play.study.trials)

    later.steering.learn()

    assert later.steering.judge.incumbents == pytest.approx({"accuracy": 0.96, "small": 0.95})
