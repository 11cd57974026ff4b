"""CPU time of the measured process and everything it started, exact to well below a millisecond.

Sampling a utilisation cannot see work of milliseconds, so nothing is sampled: CPU time is read
before and after a phase. The process clock holds all threads of this process, also those that
ended; the scheduler's statistics hold the threads of living descendants, and ``getrusage`` those
of descendants that ended and were waited for.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rightfit.profiling.worker.units import NS_PER_S

PROC = Path("/proc")

# The kernel may bring a running thread's time up to date at its ticks only, of up to 10 ms.
REST_LOOK_S = 0.01
REST_SHARE = 0.1  # of a core, that a process at rest may use


@dataclass(frozen=True)
class CpuReading:
    """CPU time and context switches of a process tree since its start.

    Args:
        wall_ns: Clock the CPU time is divided by.
        cpu_ns: CPU time of all threads of the tree.
        n_voluntary_switches: Times this process gave a core away, waiting.
        n_involuntary_switches: Times a core was taken from it.
    """

    wall_ns: int
    cpu_ns: int
    n_voluntary_switches: int
    n_involuntary_switches: int


def read_cpu() -> CpuReading:
    """Read the CPU time of this process and its descendants."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ns = (
        time.process_time_ns()
        + int((ended.ru_utime + ended.ru_stime) * NS_PER_S)
        + sum(_thread_cpu_ns(task) for pid in descendants(PROC, "self") for task in _tasks(pid))
    )
    return CpuReading(time.perf_counter_ns(), cpu_ns, own.ru_nvcsw, own.ru_nivcsw)


def mean_cores(start: CpuReading, end: CpuReading) -> float:
    """Return the mean number of cores in use between two readings.

    >>> mean_cores(CpuReading(0, 0, 0, 0), CpuReading(2_000, 3_000, 0, 0))
    1.5
    """
    return (end.cpu_ns - start.cpu_ns) / (end.wall_ns - start.wall_ns)


def await_rest(
    *,
    max_wait_s: float,
    read_ns: Callable[[], int] = time.process_time_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until no thread of this process uses a core any more.

    The threads of a pool go on looking for work after the last call: those of onnxruntime for some
    35 ms on two cores.

    Args:
        max_wait_s: Longest wait.
        read_ns: CPU time of this process; tests pass a fake.
        sleep: Waits the given seconds; tests pass a fake.

    Returns:
        Whether the process is at rest.
    """
    if len(_tasks("self")) == 1:
        return True
    waited_s = 0.0
    while waited_s < max_wait_s:
        before_ns = read_ns()
        sleep(REST_LOOK_S)
        waited_s += REST_LOOK_S
        if read_ns() - before_ns <= REST_SHARE * REST_LOOK_S * NS_PER_S:
            return True
    return False


def descendants(proc: Path, pid: str) -> list[str]:
    """Return the process ids below ``pid``, children before grandchildren.

    Args:
        proc: Mount point of the process file system.
        pid: Process id, or ``self``.
    """
    found: list[str] = []
    queue = [pid]
    while queue:
        for task in (proc / queue.pop(0) / "task").glob("*/children"):
            try:
                children = task.read_text(encoding="ascii").split()
            except OSError:  # the thread ended meanwhile
                continue
            found += children
            queue += children
    return found


def _tasks(pid: str) -> list[Path]:
    return list((PROC / pid / "task").glob("*/schedstat"))


def _thread_cpu_ns(schedstat: Path) -> int:
    try:
        return int(schedstat.read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):  # the thread ended meanwhile
        return 0
