"""For how long cores and processes were busy, read from outside them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from rightfit.measuring.worker.units import NS_PER_S

STAT = Path("/proc/stat")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def read_busy_s(cores: Collection[str] = ("cpu",)) -> float | None:
    """Return for how long cores were busy since the machine started, steal included.

    Args:
        cores: Their names in ``/proc/stat``; by default all of them together.

    Returns:
        Seconds, summed over cores; ``None`` where the system hides them.
    """
    try:
        lines = STAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    rows = [line.split() for line in lines]
    ticks = [list(map(int, row[1:9])) for row in rows if row and row[0] in cores]
    if len(ticks) < len(cores):
        return None
    return sum(sum(row) - sum(row[3:5]) for row in ticks) / TICKS_PER_S  # 3 idle, 4 waiting


def read_cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU time of all threads of living processes, in seconds."""
    tasks = (task for pid in pids for task in _tasks(pid))
    return sum(map(_thread_cpu_ns, tasks)) / NS_PER_S


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _thread_cpu_ns(schedstat: Path) -> int:
    try:
        return int(schedstat.read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):  # the thread ended meanwhile
        return 0
