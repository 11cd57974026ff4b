"""Run-queue delay: time in which a thread of this process was ready to run and had no core.

It is near zero on a quiet machine (0.0005 of the wall time) and follows a slow-down closely, where
steal, pressure and involuntary switches do not. ``/proc/self/schedstat`` covers the main thread
only, so the delay is summed over all threads.

A control group that has used up its share of CPU time is throttled: its threads wait for the next
period, which is a delay like the other one.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
NS_PER_US = 1_000


def read_delay_ns() -> int | None:
    """Return the run-queue delay of all living threads of this process, throttling included.

    Returns:
        Nanoseconds, ``None`` where unknown.
    """
    try:
        tasks = os.listdir("/proc/self/task")  # noqa: PTH208 - runs inside timed phases
    except OSError:
        return None
    total_ns = 0
    for task in tasks:
        try:
            with open(f"/proc/self/task/{task}/schedstat", encoding="ascii") as file:  # noqa: PTH123 - runs inside timed phases
                total_ns += int(file.read().split()[1])
        except OSError:  # the thread ended, or the kernel keeps no statistics
            continue
    return total_ns + read_throttled_ns()


def read_throttled_ns() -> int:
    """Return how long this process' control group has been throttled, 0 where none limits it."""
    path, name, unit_ns = _throttling_counter(os.getpid())
    if path is None:
        return 0
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * unit_ns for line in lines if line.startswith(name)), 0)


@functools.cache
def _throttling_counter(_pid: int) -> tuple[Path | None, str, int]:
    """Return the file, the line and the unit of the counter, for version 2 and 1 of cgroups."""
    try:
        groups = (PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None, "", 0
    for number, controllers, group in (line.split(":", 2) for line in groups):
        if number == "0":
            counter = (CGROUPS / group.lstrip("/") / "cpu.stat", "throttled_usec", NS_PER_US)
        elif "cpu" in controllers.split(","):
            counter = (CGROUPS / "cpu" / group.lstrip("/") / "cpu.stat", "throttled_time", 1)
        else:
            continue
        if counter[0].exists():
            return counter
    return None, "", 0


def delay_share(start_ns: int | None, end_ns: int | None, wall_ns: int) -> float | None:
    """Return the run-queue delay of a phase as a share of its wall time.

    Args:
        start_ns: Reading at the start, ``None`` when unknown.
        end_ns: Reading at the end.
        wall_ns: Wall time of the phase, above 0.

    Returns:
        Delay divided by wall time, summed over threads (so it may exceed 1), never negative
        although a thread that ended takes its delay with it; ``None`` when unknown.

    >>> delay_share(0, 5, 100)
    0.05
    """
    if start_ns is None or end_ns is None:
        return None
    return max(0, end_ns - start_ns) / wall_ns
