"""What a phase takes of the cores: CPU time of the measured process and everything it started.

Sampling a utilisation cannot see work of milliseconds, so nothing is sampled: CPU time is read
before and after a phase, exact to well below a millisecond. The process clock holds all threads of
this process, also those that ended; the scheduler's statistics hold the threads of living
descendants, and ``getrusage`` those of descendants that ended and were waited for.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from rightfit._core.processes.lifeline import list_descendants
from rightfit.measuring.worker.results import Phase
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S

STAT = Path("/proc/stat")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuReading:
    """CPU time of a process tree since its start.

    Args:
        wall_ns: Clock the CPU time is divided by.
        cpu_ns: CPU time of all threads of the tree.
    """

    wall_ns: int
    cpu_ns: int


def read_cpu() -> CpuReading:
    """Read the CPU time of this process and its descendants."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ns = (
        time.process_time_ns()
        + int((ended.ru_utime + ended.ru_stime) * NS_PER_S)
        + sum(_thread_cpu_ns(task) for pid in list_descendants(os.getpid()) for task in _tasks(pid))
    )
    return CpuReading(time.perf_counter_ns(), cpu_ns)


class PhaseMeter:
    """CPU time of one phase, read before and after it."""

    def __init__(self) -> None:
        self._cpu = read_cpu()

    def read(self) -> Phase:
        """Return what the phase took so far."""
        cpu = read_cpu()
        wall_ns, cpu_ns = cpu.wall_ns - self._cpu.wall_ns, cpu.cpu_ns - self._cpu.cpu_ns
        return Phase(
            wall_ms=wall_ns / NS_PER_MS,
            cpu_ms=cpu_ns / NS_PER_MS,
            cores=cpu_ns / wall_ns,
        )


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
    ticks = [map(int, row[1:9]) for row in rows if row and row[0] in cores]
    if len(ticks) < len(cores):
        return None
    busy = 0
    for user, nice, system, _idle, _iowait, irq, softirq, steal in ticks:
        busy += user + nice + system + irq + softirq + steal
    return busy / TICKS_PER_S


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
