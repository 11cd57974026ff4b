from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from rightfit.measuring.worker.meters import cpu
from rightfit.measuring.worker.meters.cpu import (
    CpuReading,
    PhaseMeter,
    read_busy_s,
    read_cpu,
    read_cpu_s,
)
from rightfit.measuring.worker.results import Phase


def burn(cpu_ns: int) -> None:
    end_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < end_ns:
        pass


def test_cpu_time_of_ended_threads_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "list_descendants", lambda _: [])  # other tests' processes
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
    monkeypatch.setattr(cpu, "read_cpu", lambda: next(readings))

    phase = PhaseMeter().read()

    assert phase == Phase(4.0, 1.0, 0.25)


def test_cores_are_busy_in_all_but_idle_and_waiting_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stat").write_text("cpu  10 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1\n")
    monkeypatch.setattr(cpu, "STAT", tmp_path / "stat")
    monkeypatch.setattr(cpu, "TICKS_PER_S", 10)

    assert (read_busy_s(), read_busy_s({"cpu0"}), read_busy_s({"cpu1"})) == (8.1, 0.6, None)

    monkeypatch.setattr(cpu, "STAT", tmp_path / "hidden")

    assert read_busy_s() is None


def test_cpu_time_of_a_process_is_read_from_outside() -> None:
    start_s = read_cpu_s([os.getpid()])
    burn(100_000_000)

    assert read_cpu_s([os.getpid()]) - start_s > 0.075  # both are cut to ticks of 10 ms
    assert read_cpu_s([2**22 + 1]) == 0  # it has ended
