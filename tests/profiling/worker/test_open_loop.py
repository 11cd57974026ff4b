from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.worker.open_loop import (
    MaxRate,
    poisson_arrivals_ns,
    predict_max_rate,
    replay_queue_ns,
    search_max_rate,
    time_open_loop,
)

MS = 1_000_000
ROWS = [np.zeros((1, 1), dtype=np.float32)]


class Machine:
    """A clock that calls and sleeping move forward; looking at it takes a tick."""

    def __init__(self, service_ns: int, *, overshoot_ns: int = 0) -> None:
        self.now_ns = 0
        self.slept_s = 0.0
        self._service_ns = service_ns
        self._overshoot_ns = overshoot_ns

    def clock_ns(self) -> int:
        self.now_ns += 10
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now_ns += int(seconds * 1e9) + self._overshoot_ns

    def call(self, row: npt.NDArray[np.float32]) -> None:
        self.now_ns += self._service_ns


def run(machine: Machine, arrivals_ms: list[int]) -> list[float]:
    latencies_ns = time_open_loop(
        machine.call,
        ROWS,
        np.array(arrivals_ms) * MS,
        clock_ns=machine.clock_ns,
        sleep=machine.sleep,
    )
    return [round(latency / MS, 2) for latency in latencies_ns.tolist()]


def test_waiting_in_the_queue_counts() -> None:
    # Each takes 10 ms; the second arrives 5 ms and the third 8 ms after the first.
    assert run(Machine(10 * MS), [0, 5, 8, 100]) == [10.0, 15.0, 22.0, 10.0]


def test_idle_time_is_slept_up_to_the_last_stretch() -> None:
    machine = Machine(MS, overshoot_ns=70_000)

    latencies_ms = run(machine, [0, 50])

    assert latencies_ms == [1.0, 1.0]  # the overshoot is not in the second one
    assert machine.slept_s == pytest.approx(0.0488, abs=1e-4)


def test_replay_agrees_with_the_real_queue() -> None:
    arrivals_ns = np.array([0, 5, 8, 100]) * MS

    replayed = replay_queue_ns(np.array([10 * MS]), arrivals_ns)

    assert (replayed / MS).tolist() == [10.0, 15.0, 22.0, 10.0]


def test_arrivals_come_at_the_rate_asked_for() -> None:
    arrivals_ns = poisson_arrivals_ns(200.0, 40_000, np.random.default_rng(0))
    gaps_ms = np.diff(arrivals_ns) / MS

    assert gaps_ms.mean() == pytest.approx(5, rel=0.02)
    assert gaps_ms.std() == pytest.approx(5, rel=0.03)  # exponential: deviation equals mean


def test_predicted_rate_agrees_with_queueing_theory() -> None:
    # M/M/1: the time in the system is exponential with rate mu - lambda, so its p99 is
    # ln(100) / (mu - lambda). With a mean service of 1 ms and a limit of 20 ms that is 770/s.
    services_ns = (np.random.default_rng(1).exponential(1, 50_000) * MS).astype(np.int64)

    rate = predict_max_rate(
        services_ns, limit_ms=20, n_requests=50_000, generator=np.random.default_rng(2)
    )

    assert rate == pytest.approx(1_000 - 1_000 * np.log(100) / 20, rel=0.05)


def test_limit_below_the_service_time_has_no_rate() -> None:
    services_ns = np.full(200, 30 * MS)

    assert (
        predict_max_rate(
            services_ns, limit_ms=20, n_requests=700, generator=np.random.default_rng(0)
        )
        is None
    )


def up_to(limit: float, n_tries: int = 99) -> Callable[[float], bool | None]:
    """Rates up to a limit are met; after some tries there is no time left."""
    tries = iter(range(n_tries))
    return lambda rate: rate <= limit if next(tries, None) is not None else None


@pytest.mark.parametrize(
    ("limit", "n_tries", "expected"),
    [
        (200, 99, MaxRate(100.0, None, 1)),  # as predicted
        (0, 99, MaxRate(None, pytest.approx(100 / 3**5), 6)),
        (60, 2, MaxRate(pytest.approx(100 / 3), 100.0, 2)),  # no time to come closer
        (60, 0, MaxRate(None, None, 0)),
    ],
)
def test_search_ends_at_its_limits(limit: float, n_tries: int, expected: MaxRate) -> None:
    assert search_max_rate(up_to(limit, n_tries), predicted=100.0) == expected


def test_search_closes_in_on_the_highest_rate() -> None:
    found = search_max_rate(up_to(60), predicted=100.0)

    assert found.rate_per_s is not None
    assert found.failed_rate_per_s is not None
    assert found.rate_per_s <= 60 < found.failed_rate_per_s
    assert found.failed_rate_per_s / found.rate_per_s < 1.1
