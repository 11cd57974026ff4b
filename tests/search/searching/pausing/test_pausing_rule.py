"""Whatever promises the most for its cost goes on, until nothing promises enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories.application_targets import make_targets
from factories.recordings import application, pausing_params, recorded_cell

from rightfit.ranking.applications.applications import Application, Applications
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool
from rightfit_search.searching.pausing.pausing_rule import PausingRule
from rightfit_search.searching.pausing.priors import Prior
from rightfit_study.early_stopping.measured_trials import learn_lines

# Large models are good, small ones are not.
CELL = recorded_cell([0.9, 0.7, 0.88, 0.68, 0.92, 0.72], [200, 10, 190, 12, 210, 11])


LINES = learn_lines([recorded.trial for recorded in CELL.trials])


def seen(number: int, n_looks: int) -> ObservedTrial:
    looks = CELL.trials[number].trial.looks
    return ObservedTrial(number, looks[: n_looks + 1])


def make_rule(applications: dict[str, Application], **changes: float) -> PausingRule:
    params = pausing_params(**changes)
    targets = make_targets(
        applications=Applications(applications), pausing=params, prior=Prior(lines=LINES)
    )
    return PausingRule(targets)


def test_the_leader_goes_on_before_the_last() -> None:
    pool = Pool([seen(number, 1) for number in range(6)], 3)

    step = make_rule({"accuracy": application()}).choose(pool)

    assert step is not None
    assert step.number == 4


def test_a_trained_leader_ends_the_search() -> None:
    rule = make_rule({"accuracy": application()}, min_gain=1)
    trials = [seen(number, 1) for number in range(4)]

    assert rule.choose(Pool([*trials, seen(4, 2)], 3)) is not None
    assert rule.choose(Pool([*trials, seen(4, 3)], 3)) is None


def test_a_trial_that_breaks_a_limit_by_its_size_is_left_alone() -> None:
    known = [seen(number, 3) for number in (0, 1, 3)]
    rule = make_rule({"small": application(max_size_mib=5)})

    forecast = rule.forecast(Pool([*known, seen(4, 1), seen(5, 1)], 3))

    assert forecast is not None
    assert forecast.appraise(4, "small") < 0 < forecast.appraise(5, "small")
    step = rule.choose(Pool([*known, seen(4, 1), seen(5, 1)], 3))
    assert step is None or step.number == 5


def test_an_application_nothing_can_satisfy_steers_no_more_and_names_the_nearest_miss() -> None:
    known = [seen(number, 3) for number in (0, 1, 3)]
    rule = make_rule({"tiny": application(max_size_mib=0.1)})
    pool = Pool([*known, seen(5, 1)], 3)

    forecast = rule.forecast(pool)

    assert forecast is not None
    assert forecast.infeasible() == {"tiny"}
    assert forecast.utilities["tiny"].nearest == (1, "model_size_mib", pytest.approx(1.0), 0.1)
    assert rule.choose(pool) is None


def test_one_trial_is_finished_even_for_nobody() -> None:
    rule = make_rule({"good": application(min_quality=1.0)})

    pool = Pool([seen(1, 1), seen(3, 1)], 3)
    step = rule.choose(pool)

    assert step is not None
    assert step.number == 1
    assert rule.choose(pool, affordable_s=0.1) is None


def test_a_step_that_would_overrun_is_not_begun() -> None:
    rule = make_rule({"accuracy": application()})
    pool = Pool([seen(1, 3), seen(4, 2)], 3)

    assert rule.choose(pool) is not None
    assert rule.choose(pool, affordable_s=0.1) is None


def test_no_look_is_taken_where_the_budget_does_not_hold_the_rest_of_the_training() -> None:
    pool = Pool([seen(3, 3), seen(4, 1), seen(2, 1)], 3)
    rule = make_rule({"accuracy": application()}, min_gain=0)

    step = rule.choose(pool, affordable_s=3.1)

    assert rule.choose(pool, affordable_s=2.9) is None  # a look takes 1 s, the rest 3 s
    assert step is not None
    assert step.number == 4


def test_a_trial_in_another_workers_hands_is_not_chosen() -> None:
    rule = make_rule({"accuracy": application()})
    busy = replace(seen(4, 1), is_free=False)

    step = rule.choose(Pool([seen(1, 1), busy], 3))

    assert step is None or step.number == 1


def test_every_paused_trial_has_a_reason() -> None:
    rule = make_rule({"accuracy": application()})
    forecast = rule.forecast(Pool([seen(1, 1), seen(4, 3)], 3))

    assert forecast is not None
    name, reason = forecast.explain_stop(1)
    assert name == "accuracy"
    assert reason.startswith("after checkpoint 1 accuracy expected to gain")
