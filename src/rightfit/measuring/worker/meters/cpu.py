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
from dataclasses import dataclass
from pathlib import Path

from rightfit._core.processes.lifeline import list_descendants
from rightfit.measuring.worker.meters.disturbance import delay_share, read_delay_ns
from rightfit.measuring.worker.results import Phase
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S


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
    """CPU time and run-queue delay of one phase, read before and after it."""

    def __init__(self) -> None:
        self._delay_ns = read_delay_ns()
        self._cpu = read_cpu()

    def read(self) -> Phase:
        """Return what the phase took so far."""
        cpu, delay_ns = read_cpu(), read_delay_ns()
        wall_ns, cpu_ns = cpu.wall_ns - self._cpu.wall_ns, cpu.cpu_ns - self._cpu.cpu_ns
        return Phase(
            wall_ms=wall_ns / NS_PER_MS,
            cpu_ms=cpu_ns / NS_PER_MS,
            cores=cpu_ns / wall_ns,
            delay_share=delay_share(self._delay_ns, delay_ns, wall_ns),
        )


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _thread_cpu_ns(schedstat: Path) -> int:
    try:
        return int(schedstat.read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):  # the thread ended meanwhile
        return 0
