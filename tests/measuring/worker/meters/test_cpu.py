from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rightfit.measuring.worker.meters import cpu
from rightfit.measuring.worker.meters.cpu import (
    CpuReading,
    PhaseMeter,
    await_rest,
    read_cpu,
)
from rightfit.measuring.worker.results import Phase


def burn(cpu_ns: int) -> None:
    end_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < end_ns:
        pass


def test_cpu_time_of_ended_threads_counts() -> None:
    start = read_cpu()
    threads = [threading.Thread(target=burn, args=(20_000_000,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = read_cpu()

    assert 32e6 < end.cpu_ns - start.cpu_ns < 79e6  # neither lost nor counted twice


def test_phase_is_the_difference_of_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([CpuReading(1_000, 500), CpuReading(4_001_000, 1_000_500)])
    delays_ns = iter([100, 1_000_100])
    monkeypatch.setattr(cpu, "read_cpu", lambda: next(readings))
    monkeypatch.setattr(cpu, "read_delay_ns", lambda: next(delays_ns))

    phase = PhaseMeter().read()

    assert phase == Phase(4.0, 1.0, 0.25, 0.25)


@pytest.mark.parametrize(
    ("n_threads", "used_ms", "n_looks"),
    [
        (1, [], 0),
        (2, [9, 9, 0.5], 3),
        (2, [9] * 9, 5),
    ],
)
def test_rest_is_waited_for_up_to_the_cap(
    n_threads: int,
    used_ms: list[float],
    n_looks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "_tasks", lambda _pid: [Path()] * n_threads)
    spent_ns = [0.0]
    slept_s = []
    use_ms = iter(used_ms)

    def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        spent_ns[0] += next(use_ms) * 1e6

    await_rest(max_wait_s=0.05, read_ns=lambda: int(spent_ns[0]), sleep=sleep)

    assert slept_s == [0.01] * n_looks
