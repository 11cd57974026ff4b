"""Was a process kept from running while it was timed, without any thread of it waiting for a core?

A process that a signal stops, a machine that is suspended or a virtual machine that is paused shows
neither a run-queue delay nor a slow core; the time merely passes. What shows: the kernel's note of
the stop, one call far longer than the others in which no CPU time was used, or more CPU time than
the cores have.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.messages import STOPPED
from rightfit.profiling.worker.results import Phase, ProcessResult
from rightfit.profiling.worker.units import NS_PER_MS

MIN_GAP_MS = 50.0
GAP_FACTOR = 5.0  # the longest call / a usual one
SPARE = 1.2  # meters are read one after the other
SPARE_MS = 20.0

GAP = "a call took far longer than the others without using a core"
IMPLAUSIBLE = "more CPU time than the cores have"


def find_interruption(
    result: ProcessResult,
    samples_ns: npt.NDArray[np.int64],
    *,
    was_stopped: bool,
    n_cores: int,
) -> str | None:
    """Say why the times of a process are not to be trusted, ``None`` if nothing shows.

    Args:
        result: What the process found.
        samples_ns: Its calls of one row that count.
        was_stopped: Whether the kernel noted that a signal stopped it.
        n_cores: Cores it may run on.
    """
    if was_stopped:
        return STOPPED
    phases = (result.load, result.latency, *result.batches)
    if any(p.cpu_ms > SPARE * n_cores * p.wall_ms + SPARE_MS for p in phases):
        return IMPLAUSIBLE
    usual_ms, longest_ms = np.median(samples_ns) / NS_PER_MS, np.max(samples_ns) / NS_PER_MS
    if has_gap(result.latency, usual_ms, longest_ms, n_cores=n_cores):
        return GAP
    for batch in result.batches:
        others_ms = (batch.wall_ms - batch.longest_call_ms) / max(1, batch.n_calls - 1)
        is_alone = batch.n_calls < 2
        if not is_alone and has_gap(batch, others_ms, batch.longest_call_ms, n_cores=n_cores):
            return GAP
    return None


def has_gap(phase: Phase, usual_ms: float, longest_ms: float, *, n_cores: int) -> bool:
    """Tell whether nothing ran during the longest call of a phase.

    Args:
        phase: What the phase took.
        usual_ms: Time of a usual call.
        longest_ms: Time of the longest call.
        n_cores: Cores it may run on.

    >>> busy = Phase(2100.0, 100.0, 0.05, 0.0, 1, 2)
    >>> has_gap(busy, 1.0, 2000.0, n_cores=1), has_gap(busy, 1.0, 3.0, n_cores=1)
    (True, False)
    """
    if longest_ms < max(MIN_GAP_MS, GAP_FACTOR * usual_ms):
        return False
    waited_ms = (phase.delay_share or 0.0) * phase.wall_ms  # another signal tells of these
    explained_ms = SPARE * n_cores * (phase.wall_ms - longest_ms) + SPARE_MS
    return phase.cpu_ms + waited_ms <= explained_ms
