"""Measuring goes on beside training, by what each promises for its cost."""

from __future__ import annotations

from dataclasses import replace

from factories.application_targets import make_targets
from factories.recordings import ONE, application, pausing_params, recorded_cell

from rightfit.ranking.applications.applications import Application, Applications
from rightfit_search.searching.pausing.observed import Pool
from rightfit_study.early_stopping.measured_trials import MeasuredTrial
from rightfit_study.early_stopping.measuring_rule import MeasuringRule, MeasuringStep

# Large models are good, small ones are not.
CELL = recorded_cell([0.9, 0.7, 0.88, 0.68, 0.92, 0.72], [200, 10, 190, 12, 210, 11])


def seen(number: int, n_looks: int, *, is_measured: bool = False) -> MeasuredTrial:
    trial = CELL.trials[number].trial
    served = trial.served if is_measured else {}
    return replace(
        trial,
        looks=trial.looks[: n_looks + 1],
        served=served,
        measured_s=dict.fromkeys(served, 2.0),
        export_s=1.0 if served else None,
    )


def make_rule(applications: dict[str, Application], **changes: float) -> MeasuringRule:
    params = pausing_params(**changes)
    targets = make_targets(applications=Applications(applications), pausing=params)
    return MeasuringRule(targets)


def test_the_leader_goes_on_before_the_last() -> None:
    pool = Pool([seen(number, 1) for number in range(6)], 3)

    step = make_rule({"accuracy": application()}).choose(pool)

    assert step is not None
    assert step.number == 4
    assert not isinstance(step, MeasuringStep)


def test_a_trained_leader_is_measured_and_then_the_search_ends() -> None:
    rule = make_rule({"accuracy": application()}, min_gain=1)
    trials = [seen(number, 1) for number in range(4)]

    trained = rule.choose(Pool([*trials, seen(4, 3)], 3))
    measured = rule.choose(Pool([*trials, seen(4, 3, is_measured=True)], 3))

    assert isinstance(trained, MeasuringStep)
    assert (trained.number, trained.serving) == (4, ONE)
    assert measured is None


def test_a_step_that_would_overrun_is_not_begun() -> None:
    rule = make_rule({"accuracy": application()})
    pool = Pool([seen(1, 3, is_measured=True), seen(4, 2)], 3)

    assert rule.choose(pool) is not None
    assert rule.choose(pool, affordable_s=0.1) is None


def test_what_is_left_of_the_budget_finishes_what_promises_most() -> None:
    incumbent = seen(4, 3)  # measuring it takes 3 s
    pool = Pool([seen(1, 3, is_measured=True), incumbent, seen(2, 2)], 3)
    rule = make_rule({"accuracy": application()}, min_gain=0)

    step = rule.choose(pool, affordable_s=2.5)

    assert step is not None
    assert step.number == 2
    assert not isinstance(step, MeasuringStep)
