from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rightfit.measuring.worker.meters import cpu
from rightfit.measuring.worker.meters.cpu import read_busy_s, read_cpu_s


def burn(cpu_ns: int) -> None:
    end_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < end_ns:
        pass


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
