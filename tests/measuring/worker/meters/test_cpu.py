from __future__ import annotations

import threading
import time

import pytest

from rightfit.measuring.worker.meters import cpu
from rightfit.measuring.worker.meters.cpu import (
    CpuReading,
    PhaseMeter,
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
