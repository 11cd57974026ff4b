from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit_search.searching.studies.budget import (
    MARGIN,
    Budget,
    CallLimit,
    count_without_gain,
    spent_cpu_s,
    spent_wall_s,
)
from rightfit_search.searching.studies.trial_attributes import STOP_REASON, is_finished
from rightfit_search.searching.tasks import Task, bound_task

pytestmark = pytest.mark.whole

NOON = datetime(2026, 11, 24, 12)


def make_point(work_s: float) -> dict[str, Any]:
    return {"work_s": work_s, "fit_cpu_s": 0.0, "validate_cpu_s": 0.0}


def make_trial(start_s: float, end_s: float | None, **attributes: Any) -> FrozenTrial:
    state = TrialState.RUNNING if end_s is None else TrialState.FAIL
    trial = create_trial(state=state, user_attrs=attributes)
    trial.datetime_start = NOON + timedelta(seconds=start_s)
    trial.datetime_complete = None if end_s is None else NOON + timedelta(seconds=end_s)
    return trial


@pytest.mark.parametrize(
    ("limits", "is_allowed"),
    [
        ({"n_trials": 4}, True),
        ({"n_trials": 3}, False),  # two finished, one running
        ({"cpu_s": 9.1}, True),
        ({"cpu_s": 9.0}, False),
        ({"cpu_s": 4.0}, False),  # of which three times as much was really taken
        ({"wall_s": 31.0}, True),
        ({"wall_s": 30.0}, False),
        ({"n_trials": 99, "cpu_s": 9.0, "wall_s": 99.0}, False),
        ({"patience": 3}, True),
        ({"patience": 2}, False),  # two in a row have gained nothing
        ({}, True),
    ],
)
def test_budget_ends_at_its_first_limit(limits: dict[str, Any], is_allowed: bool) -> None:
    ended = {STOP_REASON: "overflow"}
    finished = [
        make_trial(0, 10, curve=[make_point(4.0)], **ended),
        make_trial(
            0, 20, curve=[make_point(1.0), make_point(5.0)], spent={"compute_s": 12.0}, **ended
        ),
    ]
    running = [make_trial(20, None)]
    budget = Budget(**{"n_trials": None, "cpu_s": None, "wall_s": None} | limits)

    now = NOON + timedelta(seconds=30)

    assert budget.allows_another([*finished, *running], now=now) is is_allowed


def test_wall_seconds_count_overlaps_once_and_pauses_never() -> None:
    trials = [make_trial(100, 110), make_trial(0, 10), make_trial(5, 12), make_trial(6, 7)]

    assert spent_wall_s(trials, now=NOON) == 22.0
    assert spent_wall_s([], now=NOON) == 0.0


def test_a_paused_trial_takes_no_wall_seconds_between_its_steps() -> None:
    noon_s = NOON.timestamp()
    paused = make_trial(
        0, None, spent={"spans": [[noon_s, noon_s + 3], [noon_s + 50, noon_s + 54]]}
    )

    assert spent_wall_s([paused], now=NOON + timedelta(seconds=100)) == 7.0


def test_what_is_left_is_the_nearest_limit() -> None:
    trials = [make_trial(0, 10, curve=[make_point(4.0)])]

    assert Budget(None, 9.0, 30.0).left_s(trials, now=NOON) == 5.0
    assert Budget(None, None, 12.0).left_s(trials, now=NOON) == 2.0


def test_trial_without_cpu_seconds_costs_nothing() -> None:
    assert spent_cpu_s([make_trial(0, 1), make_trial(0, 1, spent={"compute_s": 2.5})]) == 2.5


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (make_trial(0, 1), False),  # set aside
        (make_trial(0, 1, **{STOP_REASON: "overflow"}), True),
        (make_trial(0, None), False),
        (create_trial(state=TrialState.COMPLETE, value=1.0), True),
        (create_trial(state=TrialState.PRUNED), True),
        (create_trial(state=TrialState.WAITING), False),
    ],
)
def test_finished_are_trials_that_ended_by_themselves(trial: FrozenTrial, expected: bool) -> None:
    assert is_finished(trial) is expected


def test_patience_counts_from_the_last_gain_in_the_order_of_ending() -> None:
    trials = [
        make_trial(0, 50),
        make_trial(0, 40, gained=["web_api"]),
        make_trial(0, 10),
        make_trial(0, 60),
    ]

    assert count_without_gain(trials) == 2


def test_of_two_notes_of_what_a_trial_took_the_later_counts() -> None:
    curve = [make_point(1.0) | {"spent": {"compute_s": 2.0}}]

    going_on = make_trial(0, 10, curve=curve)
    failed_later = make_trial(0, 10, curve=curve, spent={"compute_s": 5.0})

    assert spent_cpu_s([going_on, failed_later]) == 2.0 + 5.0


class Clock:
    """A clock that stands still until it is set."""

    now_s = 0.0

    def __call__(self) -> int:
        return int(self.now_s * 1e9)


def make_limit(cpu_s: float | None, wall_s: float | None = None) -> tuple[CallLimit, Clock, Clock]:
    cpu_clock, clock = Clock(), Clock()
    return CallLimit(cpu_s, wall_s, cpu_clock_ns=cpu_clock, clock_ns=clock), cpu_clock, clock


def test_a_call_counts_its_process_and_what_others_are_charged() -> None:
    limit, cpu_clock, _ = make_limit(60.0)
    cpu_clock.now_s = 5.0
    limit.charge(20.0)

    assert limit.spent_cpu_s == pytest.approx(25.0)
    assert limit.left_s() == pytest.approx(35.0)
    assert limit.left_for_searching_s() == pytest.approx(35.0 - MARGIN * 60.0)


def test_the_first_of_two_limits_ends_a_call() -> None:
    limit, cpu_clock, clock = make_limit(60.0, 30.0)
    cpu_clock.now_s, clock.now_s = 10.0, 29.0

    assert limit.left_s() == pytest.approx(1.0)
    assert bound_task(Task("train", 0, {}, 0), limit, 4.0) == Task(
        "train", 0, {}, 0, max_cpu_s=4.0, max_wall_s=4.0
    )


def test_final_trainings_and_steps_underway_are_kept_free() -> None:
    limit, *_ = make_limit(100.0)
    limit.reserve("x.a", 10.0, refit_s=15.0, quality_raw=0.9)  # the winner so far
    limit.reserve("x.b", 5.0, refit_s=20.0, quality_raw=0.8)
    limit.begin("x.b", 0, 7.0)

    assert limit.left_for_searching_s() == pytest.approx(90.0 - 10.0 - 5.0 - 15.0 - 7.0)
    assert limit.left_for_final_s("x.a") == pytest.approx(100.0 - 5.0 - 15.0 - 7.0)

    limit.end("x.b", 0)
    limit.release_final("x.a")
    limit.release_final("x.b")

    assert limit.left_for_final_s("x.a") == pytest.approx(100.0 - 15.0)
    assert limit.left_for_last_s() == pytest.approx(100.0 + 3.0)


def test_a_last_training_stays_free_where_a_step_took_longer_than_expected() -> None:
    limit, *_ = make_limit(100.0)
    limit.reserve("x.a", 0.0, refit_s=15.0, quality_raw=0.9)
    limit.charge(81.0)  # less than the margin is left beside it

    assert limit.left_for_searching_s() < 0


def test_nothing_is_kept_free_for_a_last_training_that_there_is_no_room_for() -> None:
    limit, *_ = make_limit(100.0)
    limit.reserve("x.a", 50.0, refit_s=75.0, quality_raw=0.9)

    assert limit.left_for_searching_s() == pytest.approx(90.0 - 75.0)

    limit.charge(30.0)

    assert limit.left_for_searching_s() == pytest.approx(60.0 - 50.0)
