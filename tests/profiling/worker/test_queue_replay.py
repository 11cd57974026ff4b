from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.worker.queue_replay import (
    MAX_UTILISATION,
    QueueReplay,
    draw_replay,
    settling_requests,
)
from rightfit.profiling.worker.service_times import ServiceTimes, without_idling

MS = 1_000_000
N = 400_000


def replay_of(
    services_ns: npt.NDArray[np.float64], gaps: npt.NDArray[np.float64], *, cold_ns: float = 0
) -> QueueReplay:
    shares = np.random.default_rng(9).random(len(gaps))
    return QueueReplay(services_ns, np.cumsum(gaps), cold_ns, shares)


def exponential_replay(mean_ms: float) -> QueueReplay:
    generator = np.random.default_rng(1)
    services_ns = generator.exponential(mean_ms * MS, N)
    return replay_of(services_ns, generator.standard_exponential(N))


def served_ns(arrivals_ns: npt.NDArray[np.float64], cold_ns: float) -> npt.NDArray[np.float64]:
    """Serve 1 ms each, longer when idle, one request after the other."""
    free_ns, latencies_ns = 0.0, []
    for arrival_ns in arrivals_ns.tolist():
        start_ns = cold_ns if free_ns <= arrival_ns else 0.0
        free_ns = max(free_ns, arrival_ns) + start_ns + MS
        latencies_ns.append(free_ns - arrival_ns)
    return np.array(latencies_ns)


def test_replay_is_lindleys_recursion() -> None:
    # Arrivals at 5, 8 and 40 ms, each served for 10 ms: the second waits 7 ms, the third not.
    # The first half of so short a replay is its start-up.
    gaps = np.array([1000.0, 1.0, 1.0, 5.0, 3.0, 32.0])
    replay = replay_of(np.array([1.0, 1.0, 1.0, 10.0, 10.0, 10.0]) * MS, gaps)

    latencies_ms = replay.latencies_ns(1_000.0) / MS

    assert latencies_ms.tolist() == pytest.approx([10.0, 17.0, 10.0])


@pytest.mark.parametrize(("rate_per_s", "cold_ms"), [(300.0, 1.0), (700.0, 1.0), (600.0, 4.0)])
def test_requests_that_find_the_server_idle_take_longer(rate_per_s: float, cold_ms: float) -> None:
    gaps = np.random.default_rng(1).standard_exponential(N)
    replay = replay_of(np.full(N, 1.0 * MS), gaps, cold_ns=cold_ms * MS)

    found_ns = replay.latencies_ns(rate_per_s)

    expected_ns = served_ns(np.cumsum(gaps) * 1e9 / rate_per_s, cold_ms * MS)
    assert found_ns.mean() == pytest.approx(expected_ns.mean(), rel=0.02)
    assert np.quantile(found_ns, 0.99) == pytest.approx(np.quantile(expected_ns, 0.99), rel=0.03)


def test_starts_of_the_server_keep_it_busy() -> None:
    # Of the half of the time in which a warm server would be idle, starts take 0.5 / (1 + 0.5).
    replay = replay_of(np.full(100, 1.0 * MS), np.ones(100), cold_ns=1.0 * MS)

    assert replay.utilisation(500.0) == pytest.approx(0.5)
    assert replay.busy_share(500.0) == pytest.approx(0.5 + 0.5 / 3)


def test_start_up_with_its_short_queue_is_discarded() -> None:
    replay = exponential_replay(1.0)

    n_kept = len(replay.latencies_ns(900.0))

    assert N - n_kept == pytest.approx(5 * 1 / 0.1**2, rel=0.1)


def test_more_load_takes_longer_to_settle() -> None:
    assert settling_requests(0.5) == 4
    assert settling_requests(0.9) == 100
    assert settling_requests(5.0) == settling_requests(MAX_UTILISATION)


def test_p99_agrees_with_queueing_theory() -> None:
    # M/M/1: the time from arrival to answer is exponential with rate mu - lambda.
    p99_ms = exponential_replay(1.0).p99_ns(700.0) / MS

    assert p99_ms == pytest.approx(math.log(100) / 0.3, rel=0.05)


def test_calls_slowed_together_stay_together_in_a_replay() -> None:
    # One stretch of 100 slow calls in 1,000: drawn one by one, no two would follow each other
    # more often than by chance.
    services_ns = np.full(1_000, MS)
    services_ns[300:400] = 3 * MS

    replay = draw_replay(without_idling(services_ns), 50_000, np.random.default_rng(0))
    is_slow = replay.services_ns > 2 * MS

    assert is_slow.mean() == pytest.approx(0.1, abs=0.02)
    assert is_slow[1:][is_slow[:-1]].mean() > 0.8


def test_replay_starts_the_server_as_long_as_was_measured() -> None:
    found_idle = np.arange(100) % 2 == 0
    services = ServiceTimes(np.where(found_idle, 3 * MS, MS), found_idle)

    replay = draw_replay(services, 1_000, np.random.default_rng(0))

    assert replay.cold_ns == 2 * MS
    assert set(replay.services_ns.tolist()) == {1.0 * MS}
