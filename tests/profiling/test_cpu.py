from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rightfit.profiling.cpu import CpuReading, descendants, mean_cores, read_cpu


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

    assert (end.cpu_ns - start.cpu_ns) / 1e6 == pytest.approx(40, rel=0.2)


def test_mean_cores_is_cpu_time_per_wall_time() -> None:
    start, end = CpuReading(1_000, 500, 0, 0), CpuReading(5_000, 1_500, 0, 0)

    assert mean_cores(start, end) == 0.25


def test_descendants_are_found_at_any_depth(tmp_path: Path) -> None:
    for pid, children in {"1": "2 3", "2": "", "3": "4", "4": ""}.items():
        task = tmp_path / pid / "task" / pid
        task.mkdir(parents=True)
        (task / "children").write_text(children)

    assert descendants(tmp_path, "1") == ["2", "3", "4"]
