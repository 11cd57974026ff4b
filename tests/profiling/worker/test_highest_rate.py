from __future__ import annotations

import math

import numpy as np
import pytest

from rightfit.profiling.worker.highest_rate import find_max_rate, rate_error
from rightfit.profiling.worker.queue_replay import QueueReplay, draw_replay
from rightfit.profiling.worker.service_times import without_idling

MS = 1_000_000
N = 400_000


def exponential_replay(mean_ms: float) -> QueueReplay:
    generator = np.random.default_rng(1)
    services_ns = generator.exponential(mean_ms * MS, N)
    return QueueReplay(services_ns, np.cumsum(generator.standard_exponential(N)), 0.0, np.empty(0))


@pytest.mark.parametrize("limit_ms", [10, 50])
def test_highest_rate_agrees_with_queueing_theory(limit_ms: int) -> None:
    # M/M/1: the p99 is ln(100) / (mu - lambda).
    rate = find_max_rate(exponential_replay(1.0), limit_ms)

    assert rate == pytest.approx(1_000 - 1_000 * math.log(100) / limit_ms, rel=0.02)


def test_rate_just_above_the_highest_misses_the_limit() -> None:
    replay = exponential_replay(2.0)

    rate = find_max_rate(replay, 20)

    assert rate is not None
    assert replay.p99_ns(0.99 * rate) < 20 * MS < replay.p99_ns(1.01 * rate)


def test_limit_below_the_service_time_has_no_rate() -> None:
    replay = draw_replay(without_idling(np.full(200, 30 * MS)), 10_000, np.random.default_rng(0))

    assert find_max_rate(replay, 20) is None


def test_limit_that_any_queue_meets_ends_at_the_highest_utilisation() -> None:
    replay = draw_replay(without_idling(np.full(200, 1_000)), 10_000, np.random.default_rng(0))

    rate = find_max_rate(replay, 1_000)

    assert rate == pytest.approx(980_000)


def test_error_is_the_deviation_of_rates_from_repeated_measurements() -> None:
    generator = np.random.default_rng(3)
    samples = [without_idling(generator.exponential(MS, 2_000).astype(np.int64)) for _ in range(40)]

    rates = [find_max_rate(draw_replay(sample, 2**17, generator), 20) for sample in samples]
    errors = [rate_error(sample, 20) for sample in samples]

    found = np.array(rates, dtype=float)
    assert np.mean(errors) == pytest.approx(found.std() / found.mean(), rel=0.4)


def test_error_counts_services_slowed_together() -> None:
    together_ns = np.repeat([MS, 2 * MS], 1_000)
    shuffled_ns = np.random.default_rng(3).permutation(together_ns)

    together, shuffled = (without_idling(s) for s in (together_ns, shuffled_ns))

    assert rate_error(together, 20) > 3 * rate_error(shuffled, 20)


def test_error_of_too_few_services_is_unknown() -> None:
    assert rate_error(without_idling(np.full(19, MS)), 20) == math.inf
