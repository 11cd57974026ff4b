from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from rightfit.profiling.intervals import (
    MAX_PROCESSES,
    Interval,
    enclosing_ranks,
    estimate_median,
    is_drifting,
)


def test_ranks_miss_the_median_in_at_most_5_percent_of_runs_over_all_looks() -> None:
    n_runs = 20_000
    coins = np.random.default_rng(0).integers(0, 2, (n_runs, MAX_PROCESSES))
    n_below = coins.cumsum(axis=1)
    n_seen = np.arange(1, MAX_PROCESSES + 1)
    ranks = np.array(enclosing_ranks()[1:])

    missed = (n_below < ranks) | (n_seen - n_below < ranks)

    share = missed.any(axis=1).mean()
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    assert share >= 0.035  # the allowance is used, not left lying


def test_ranks_never_fall() -> None:
    ranks = enclosing_ranks()

    assert list(ranks) == sorted(ranks)
    assert ranks[MAX_PROCESSES] > 70


def test_interval_of_one_process_is_unknown() -> None:
    interval = estimate_median([3.0])

    assert interval == Interval(3.0, None, None, is_distribution_free=False)
    assert interval.half_width_pct == math.inf


def test_unknown_interval_stays_unknown_with_a_shared_error() -> None:
    assert estimate_median([3.0]).widened(5) == estimate_median([3.0])


def test_interval_of_few_processes_assumes_log_normal_factors() -> None:
    interval = estimate_median([math.exp(1), math.exp(2), math.exp(3)])

    # Mean 2, standard deviation 1 of the logarithms: 2 -+ 4.30265 / sqrt(3).
    assert interval.value == pytest.approx(math.exp(2))
    assert interval.low == pytest.approx(math.exp(2 - 2.48414), rel=1e-4)
    assert interval.high == pytest.approx(math.exp(2 + 2.48414), rel=1e-4)
    assert not interval.is_distribution_free


def test_interval_of_few_processes_needs_positive_figures() -> None:
    assert estimate_median([0.0, 1.0]).low is None


def test_interval_leaves_out_the_extremes_of_many_processes() -> None:
    interval = estimate_median([float(value) for value in range(1, 12)])

    assert interval == Interval(6.0, 2.0, 10.0, is_distribution_free=True)
    assert interval.half_width_pct == pytest.approx(100 * 4 / 6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], True),  # 2 of 720 orders are so extreme: 0.28 %
        ([6, 5, 4, 3, 2, 1], True),
        ([1, 2, 3, 4, 6, 5], False),  # 12 of 720: 1.7 %
        ([1, 1, 1, 1, 1, 1], False),  # equal figures are no trend
        ([1, 1, 1, 1, 1, 1, 1, 2], False),
        ([1, 1, 2, 2, 3, 3, 4, 4], True),
        ([1, 2, 3, 4, 5], False),  # too few to tell
    ],
)
def test_drift_is_a_trend_that_chance_does_not_explain(values: list[float], expected: bool) -> None:
    assert is_drifting(values) is expected


def test_drift_is_seen_by_chance_in_at_most_1_percent_of_orders() -> None:
    orders = list(permutations(range(7)))

    assert np.mean([is_drifting(order) for order in orders]) <= 0.01
