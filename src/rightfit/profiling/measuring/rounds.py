"""A round of a measurement: one fresh process, timed in one window or in several.

Between its timing windows the process sleeps and others have their turn. An open process is part
of no stored state: an interruption loses it, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.state import PERCENTILES, FinishedRound, MeasurementState
from rightfit.profiling.measuring.worker_pool import Worker
from rightfit.profiling.worker.latency import percentile_ns
from rightfit.profiling.worker.messages import (
    STOPPED,
    Failure,
    Finished,
    Hello,
    MeasureRequest,
    Paused,
    TimingLimits,
    WindowRequest,
    WindowTimed,
)
from rightfit.profiling.worker.meters.disturbance import CoreTimes, read_core_times
from rightfit.profiling.worker.results import Phase, ProcessResult
from rightfit.profiling.worker.throughput import best_batch_size
from rightfit.profiling.worker.units import NS_PER_MS

MIN_GAP_MS = 50.0
GAP_FACTOR = 5.0  # the longest call / a usual one
SPARE = 1.2  # meters are read one after the other
SPARE_MS = 20.0
MAX_KEPT_CALLS = 700  # a process with no more calls keeps them all

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

    A process that a signal stops, a machine that is suspended or a virtual machine that is paused
    shows neither a run-queue delay nor a slow core; the time merely passes. What shows: that it
    was stopped, one call far longer than the others in which no CPU time was used, or more CPU
    time than the cores have.

    Args:
        result: What the process found.
        samples_ns: Its calls of one row that count.
        was_stopped: Whether a signal stopped it.
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


@dataclass(frozen=True)
class MachineLoad:
    """What the whole machine did during a timing window; ``None`` where the system does not say.

    Args:
        busy_cores: Cores in use.
        steal_share: Cores the hypervisor gave to others.
    """

    busy_cores: float | None
    steal_share: float | None


class OpenRound:
    """A round under way; the first timing window starts its process.

    Args:
        subject: What to measure.
        bench: Where and how.
        state: State of the measurement so far.
    """

    def __init__(self, subject: Subject, bench: Bench, state: MeasurementState) -> None:
        self._subject = subject
        self._bench = bench
        self._request = _request(subject, bench, state)
        self._worker: Worker | None = None
        self._child: int | None = None
        self._loads: list[MachineLoad] = []
        self._was_stopped = False

    def time_window(self) -> FinishedRound | Failure | None:
        """Have the process timed once more, holding the machine-wide lock.

        A process that was timed for the last time is still ending: see :meth:`await_end`.

        Returns:
            After the last window, what the process found and what the machine did meanwhile;
            ``None`` when windows are left.
        """
        if self._worker is None:
            self._worker = self._bench.pool.get(self._subject.kind)
        request: MeasureRequest | WindowRequest = self._request
        if self._child is not None:
            request = WindowRequest(self._child, limit_s=self._request.limit_s)
        before = read_core_times()
        answer = self._worker.ask_ahead(request, WindowTimed)
        self._loads.append(_describe_load(before, read_core_times()))
        self._child = answer.child if isinstance(answer, Paused) else None
        if isinstance(answer, WindowTimed):
            self._was_stopped |= answer.was_stopped
            self._bench.speed.learn(answer.probe_looks_ns)
        if isinstance(answer, Finished):
            return self._finish(answer, self._worker.hello)
        return answer if isinstance(answer, Failure) else None

    def await_end(self) -> None:
        """Wait until a process that was timed for the last time has ended."""
        if self._worker is not None:
            self._worker.await_end()

    @property
    def is_lost(self) -> bool:
        """Whether its worker ended between two windows, and its process with it."""
        return self._worker is not None and self._worker.is_closed

    def leave(self) -> None:
        """End the process if it is open and its worker lives."""
        if self._worker is None or self._child is None or self._worker.is_closed:
            return
        with machine_lock():  # freeing its memory takes a core
            self._worker.leave(self._child)
        self._child = None

    def _finish(self, answer: Finished, hello: Hello) -> FinishedRound | Failure:
        samples_ns: npt.NDArray[np.int64]
        try:
            samples_ns = np.load(self._request.samples)
            Path(self._request.samples).unlink()  # overwriting it would wait for the disk
        except (OSError, ValueError) as err:
            return Failure(f"its latencies cannot be read: {err}")
        return FinishedRound(
            **vars(answer.result),
            percentiles_ns={share: percentile_ns(samples_ns, share) for share in PERCENTILES},
            kept_ns=tuple(samples_ns.tolist()) if len(samples_ns) <= MAX_KEPT_CALLS else None,
            base_resident_mib=hello.base_resident_mib,
            base_peak_mib=hello.base_peak_mib,
            busy_cores=_highest([load.busy_cores for load in self._loads]),
            steal_share=_highest([load.steal_share for load in self._loads]),
            interruption=find_interruption(
                answer.result,
                samples_ns,
                was_stopped=self._was_stopped,
                n_cores=max(1, len(hello.cores)),
            ),
        )


def _request(subject: Subject, bench: Bench, state: MeasurementState) -> MeasureRequest:
    """Ask the first process to try all batch sizes, later ones to repeat the best."""
    settings = bench.settings
    batch_sizes, files_mib = settings.batch_sizes, None
    if state.rounds:
        first = state.rounds[0]
        batch_sizes = (best_batch_size({b.batch_size: b.rows_per_s for b in first.batches}),)
        files_mib = first.files_mib
    return MeasureRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        n_windows=settings.n_windows,
        warm_up_max_ms=settings.warm_up_max_ms,
        slow_wait_max_ms=settings.slow_wait_max_ms,
        probe_known_ns=bench.speed.known_ns,
        latency=TimingLimits(
            settings.latency_min_calls, settings.latency_min_ms, settings.latency_max_ms
        ),
        batch=TimingLimits(1, settings.batch_min_ms, settings.batch_max_ms),
        batch_sizes=batch_sizes,
        batch_max_call_ms=settings.batch_max_call_ms,
        files_mib=files_mib,
        samples=str(bench.folder / "samples.npy"),
        limit_s=settings.limit_s(state.longest_s),
    )


def _describe_load(before: CoreTimes | None, after: CoreTimes | None) -> MachineLoad:
    if before is None or after is None or not after.wall_s > before.wall_s:
        return MachineLoad(None, None)
    wall_s = after.wall_s - before.wall_s
    return MachineLoad(
        busy_cores=(after.busy_s - before.busy_s) / wall_s,
        steal_share=(after.steal_s - before.steal_s) / wall_s,
    )


def _highest(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
