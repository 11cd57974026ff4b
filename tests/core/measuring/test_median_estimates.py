from __future__ import annotations

import math

import numpy as np
import pytest

from rightfit.measuring.median_estimates import (
    MAX_PROCESSES,
    Interval,
    ProcessSpread,
    enclosing_ranks,
    estimate_median,
    pool_spread,
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


def test_unknown_interval_stays_unknown_with_a_common_mode_error() -> None:
    assert estimate_median([3.0]).widened(5) == estimate_median([3.0])


@pytest.mark.parametrize(("looks_once", "quantile"), [(True, 4.30265), (False, 8.8602)])
def test_interval_of_few_processes_assumes_log_normal_factors(
    looks_once: bool, quantile: float
) -> None:
    interval = estimate_median([math.exp(1), math.exp(2), math.exp(3)], looks_once=looks_once)

    # Mean 2, standard deviation 1 of the logarithms; a look of several at 1.25 %.
    assert interval.value == pytest.approx(math.exp(2))
    assert interval.low == pytest.approx(math.exp(2 - quantile / math.sqrt(3)), rel=1e-3)
    assert interval.high == pytest.approx(math.exp(2 + quantile / math.sqrt(3)), rel=1e-3)
    assert not interval.is_distribution_free


def test_looks_at_two_to_five_processes_miss_in_at_most_5_percent_of_runs_together() -> None:
    logs = np.random.default_rng(0).normal(size=(4_000, 5))

    missed = [
        any(
            not interval.low <= 1 <= interval.high  # type: ignore[operator]  # both ends known
            for interval in (estimate_median(np.exp(run[:n])) for n in range(2, 6))
        )
        for run in logs
    ]

    assert 0.02 < np.mean(missed) <= 0.05


@pytest.mark.parametrize(("own", "counts"), [(0.01, 0.1), (0.5, 0.5)])
def test_two_figures_count_as_differing_like_those_of_like_models_or_by_more(
    own: float, counts: float
) -> None:
    values = [math.exp(-own / math.sqrt(2)), math.exp(own / math.sqrt(2))]  # standard deviation own

    interval = estimate_median(values, spread=ProcessSpread(0.1, n_degrees=12))

    reach = 2.5600 * counts / math.sqrt(2)  # Student's quantile for 12 degrees and 2.5 %
    assert interval.high == pytest.approx(math.exp(reach), rel=1e-3)
    assert interval.low == pytest.approx(math.exp(-reach), rel=1e-3)


def test_six_figures_need_no_spread_of_others() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0]

    assert estimate_median(values, spread=ProcessSpread(3.0, n_degrees=99)) == estimate_median(
        values
    )


def test_pooled_spread_covers_with_a_fraction_of_the_width() -> None:
    rng = np.random.default_rng(0)
    pooled, alone = [], []
    for _ in range(400):
        stds = rng.uniform(0.01, 0.03, size=(8, 1))  # models differ in how steady they are
        cell = np.exp(stds * rng.normal(size=(8, 2))).tolist()
        spread = pool_spread(cell)
        pooled += [estimate_median(values, spread=spread) for values in cell]
        alone += [estimate_median(values) for values in cell]

    assert np.mean([i.low < 1 < i.high for i in pooled if i.low and i.high]) >= 0.96
    widths = [np.mean([one.half_width_pct for one in found]) for found in (pooled, alone)]
    assert widths[0] < widths[1] / 5


def test_spread_is_unknown_where_no_model_has_two_positive_figures() -> None:
    assert pool_spread([[1.0], [0.0, 2.0]]) is None


def test_interval_of_few_processes_needs_positive_figures() -> None:
    assert estimate_median([0.0, 1.0]).low is None


def test_interval_leaves_out_the_extremes_of_many_processes() -> None:
    interval = estimate_median([float(value) for value in range(1, 12)])

    assert interval == Interval(6.0, 2.0, 10.0, is_distribution_free=True)
    assert interval.half_width_pct == pytest.approx(100 * 4 / 6)
