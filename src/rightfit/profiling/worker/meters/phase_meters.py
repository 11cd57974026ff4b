"""Meters of one phase of a measuring process: CPU, delays, and the growth of its memory."""

from __future__ import annotations

from collections.abc import Sequence

from rightfit.profiling.worker.meters.cpu import mean_cores, read_cpu
from rightfit.profiling.worker.meters.disturbance import (
    delay_share,
    read_run_delay_ns,
    read_throttled_ns,
)
from rightfit.profiling.worker.meters.memory import (
    FilePages,
    Memory,
    new_file_pages_mib,
    read_file_pages,
    read_memory,
    reset_peak,
)
from rightfit.profiling.worker.results import Phase
from rightfit.profiling.worker.units import NS_PER_MS


class PhaseMeter:
    """CPU time, context switches and run-queue delay of one phase, read before and after it."""

    def __init__(self) -> None:
        self._delay_ns = _read_delay_ns()
        self._cpu = read_cpu()

    def read(self) -> Phase:
        """Return what the phase took so far."""
        cpu, delay_ns = read_cpu(), _read_delay_ns()
        wall_ns = cpu.wall_ns - self._cpu.wall_ns
        return Phase(
            wall_ms=wall_ns / NS_PER_MS,
            cpu_ms=(cpu.cpu_ns - self._cpu.cpu_ns) / NS_PER_MS,
            cores=mean_cores(self._cpu, cpu),
            delay_share=delay_share(self._delay_ns, delay_ns, wall_ns),
            n_voluntary_switches=cpu.n_voluntary_switches - self._cpu.n_voluntary_switches,
            n_involuntary_switches=cpu.n_involuntary_switches - self._cpu.n_involuntary_switches,
        )


def _read_delay_ns() -> int | None:
    delay_ns = read_run_delay_ns()
    return None if delay_ns is None else delay_ns + read_throttled_ns()


def sum_phases(phases: Sequence[Phase]) -> Phase:
    """Return the readings of one phase that was interrupted.

    Args:
        phases: Readings of :class:`PhaseMeter`, one a part, at least one.

    >>> busy, idle = Phase(10.0, 10.0, 1.0, 0.5, 1, 2), Phase(30.0, 0.0, 0.0, 0.1, 1, 2)
    >>> sum_phases([busy, idle])  # doctest: +NORMALIZE_WHITESPACE
    Phase(wall_ms=40.0, cpu_ms=10.0, cores=0.25, delay_share=0.2,
          n_voluntary_switches=2, n_involuntary_switches=4)
    """
    wall_ms = sum(phase.wall_ms for phase in phases)
    cpu_ms = sum(phase.cpu_ms for phase in phases)
    delays_ms = [p.delay_share * p.wall_ms for p in phases if p.delay_share is not None]
    return Phase(
        wall_ms=wall_ms,
        cpu_ms=cpu_ms,
        cores=cpu_ms / wall_ms,
        delay_share=sum(delays_ms) / wall_ms if len(delays_ms) == len(phases) else None,
        n_voluntary_switches=sum(phase.n_voluntary_switches for phase in phases),
        n_involuntary_switches=sum(phase.n_involuntary_switches for phase in phases),
    )


class MemoryMeter:
    """Growth of this process' memory since the meter was made, see ``memory.py``.

    Args:
        base_pages: Pages of files of the worker this process was forked from.
    """

    def __init__(self, base_pages: FilePages | None) -> None:
        self._base_pages = base_pages
        reset_peak()
        self._start = read_memory()

    def loaded_mib(self) -> float:
        """Return how much more memory is resident now."""
        return self._growth_mib(read_memory())

    def peak_mib(self, phase_start: Memory) -> float:
        """Return the highest growth since a phase began.

        Args:
            phase_start: Memory read at the phase's start, right after :func:`reset_peak`.
        """
        now = read_memory()
        of_files_mib = max(0.0, _files_mib(now) - _files_mib(phase_start))  # counted by files_mib
        return (
            self._growth_mib(phase_start) + now.peak_mib - phase_start.resident_mib - of_files_mib
        )

    def files_mib(self) -> float:
        """Return the resident memory of files that the empty worker did not have."""
        return new_file_pages_mib(self._base_pages, read_file_pages())

    def _growth_mib(self, now: Memory) -> float:
        if now.anonymous_mib is None or self._start.anonymous_mib is None:
            return now.resident_mib - self._start.resident_mib
        return now.anonymous_mib - self._start.anonymous_mib


def _files_mib(memory: Memory) -> float:
    return 0.0 if memory.anonymous_mib is None else memory.resident_mib - memory.anonymous_mib
