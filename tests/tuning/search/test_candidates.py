from __future__ import annotations

import pytest

from rightfit.tuning.search.candidates import CompleteTrial, choose_candidates, pareto_front

pytestmark = pytest.mark.whole

TRIALS = [
    CompleteTrial(0, quality_raw=0.80, n_parameters=1.0, n_operations=4.0),
    CompleteTrial(1, quality_raw=0.90, n_parameters=64.0, n_operations=9.0),
    CompleteTrial(2, quality_raw=0.85, n_parameters=2.0, n_operations=2.0),
    CompleteTrial(3, quality_raw=0.88, n_parameters=16.0, n_operations=6.0),
    CompleteTrial(4, quality_raw=0.84, n_parameters=70.0, n_operations=1.0),  # beaten by 1
]


def test_pareto_front_leaves_out_the_beaten() -> None:
    assert [trial.number for trial in pareto_front(TRIALS)] == [0, 2, 3, 1]


def test_choose_candidates_takes_best_smallest_fastest_then_gaps() -> None:
    assert choose_candidates(TRIALS, n_candidates=3) == [1, 0, 2]
    assert choose_candidates(TRIALS, n_candidates=4) == [1, 0, 2, 3]
    assert choose_candidates(TRIALS, n_candidates=9) == [1, 0, 2, 3]


def test_choose_candidates_keeps_the_best_when_one_is_asked() -> None:
    assert choose_candidates(TRIALS, n_candidates=1) == [1]


def test_default_is_kept_where_validation_rows_cannot_tell_it_from_the_best() -> None:
    best = CompleteTrial(8, 0.891, 1.0, 2.0, quality_error=0.011)
    near = CompleteTrial(0, 0.887, 1.0, 2.0, is_default=True)  # neither smaller nor faster
    far = CompleteTrial(0, 0.877, 1.0, 2.0, is_default=True)

    assert choose_candidates([near, best], n_candidates=3) == [8, 0]
    assert choose_candidates([near, best], n_candidates=1) == [8]
    assert choose_candidates([far, best], n_candidates=3) == [8]
    # the best of forty owes up to 2.7 standard errors to luck
    others = [CompleteTrial(n, 0.8, 1.0, 2.0) for n in range(10, 48)]
    assert choose_candidates([far, best, *others], n_candidates=3) == [8, 0]


def test_where_nobody_asks_costs_the_next_best_are_taken_not_the_smallest() -> None:
    errors = {"quality_error": 0.02}
    best, next_best, third = (CompleteTrial(n, 0.9 - n / 100, 9.0, 9.0, **errors) for n in range(3))
    small = CompleteTrial(3, 0.5, 1.0, 1.0, **errors)

    trials = [small, third, next_best, best]

    assert choose_candidates(trials, n_candidates=4) == [0, 3]
    assert choose_candidates(trials, n_candidates=4, by_quality=True) == [0, 1, 2]
    assert choose_candidates(trials, n_candidates=2, by_quality=True) == [0, 1]


def test_equal_trials_are_chosen_once() -> None:
    twins = [CompleteTrial(n, 0.9, 1.0, 1.0) for n in (3, 4)]

    assert choose_candidates(twins, n_candidates=3) == [3]


def test_what_applications_want_comes_first() -> None:
    assert choose_candidates(TRIALS, n_candidates=3, incumbents=[4, 3]) == [4, 3, 1]
    assert choose_candidates(TRIALS, n_candidates=1, incumbents=[4, 3]) == [4]
