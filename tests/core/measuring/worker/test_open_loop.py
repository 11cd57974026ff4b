from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker.open_loop import poisson_arrivals_ns, time_open_loop

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


def test_arrivals_come_at_the_rate_asked_for() -> None:
    arrivals_ns = poisson_arrivals_ns(200.0, 40_000, np.random.default_rng(0))
    gaps_ms = np.diff(arrivals_ns) / MS

    assert gaps_ms.mean() == pytest.approx(5, rel=0.02)
    assert gaps_ms.std() == pytest.approx(5, rel=0.03)  # exponential: deviation equals mean
