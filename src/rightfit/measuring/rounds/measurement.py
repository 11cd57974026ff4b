"""Measuring one model under one serving configuration, process after process, until it is enough.

The first process tries all batch sizes, the others repeat the best one and take over how much of
the files it mapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import is_delayed, is_disturbed, why_settled
from rightfit.measuring.rounds.state import PERCENTILES, FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.worker.latency import percentile_ns
from rightfit.measuring.worker.meters.disturbance import (
    CoreTimes,
    cores_between,
    read_core_times,
)
from rightfit.measuring.worker.meters.speed import SpeedProbe
from rightfit.measuring.worker.protocol import (
    STOPPED,
    Failure,
    Finished,
    MeasureRequest,
    Paused,
    Predicted,
    PredictRequest,
    RanOnce,
    RunOnceRequest,
    ServerRequest,
    TimingLimits,
    WindowRequest,
    WindowTimed,
)
from rightfit.measuring.worker.results import LimitTrial, Phase, ProcessResult, ServerResult
from rightfit.measuring.worker.units import NS_PER_MS

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


class OpenRound:
    """A round under way: one fresh process, which the first timing window starts.

    It is made while the machine-wide lock is held, as a worker may have to be started. Between its
    timing windows the process sleeps and others have their turn. It is part of no stored state: an
    interruption loses it, and no more.

    Args:
        subject: What to measure.
        bench: Where and how.
        state: State of the measurement so far.
    """

    def __init__(self, subject: Subject, bench: Bench, state: MeasurementState) -> None:
        self._bench = bench
        self._request = _request(subject, bench, state)
        self._worker = bench.pool.get(subject.kind)
        self._child: int | None = None
        self._loads: list[tuple[float, float]] = []  # of each window, see cores_between
        self._was_stopped = False

    def time_window(self) -> FinishedRound | Failure | None:
        """Have the process timed once more, holding the machine-wide lock.

        A process that was timed for the last time is still ending: see :meth:`await_end`.

        Returns:
            After the last window, what the process found and what the machine did meanwhile;
            ``None`` when windows are left.
        """
        request: MeasureRequest | WindowRequest = self._request
        if self._child is not None:
            request = WindowRequest(self._child, limit_s=self._request.limit_s)
        before = read_core_times()
        answer = self._worker.ask_ahead(request, WindowTimed)
        load = cores_between(before, read_core_times())
        if load is not None:
            self._loads.append(load)
        self._child = answer.child if isinstance(answer, Paused) else None
        if isinstance(answer, WindowTimed):
            self._was_stopped |= answer.was_stopped
            self._bench.speed.learn(answer.probe_looks_ns)
        if isinstance(answer, Finished):
            return self._finish(answer)
        return answer if isinstance(answer, Failure) else None

    def await_end(self) -> None:
        """Wait until a process that was timed for the last time has ended."""
        self._worker.await_end()

    @property
    def is_lost(self) -> bool:
        """Whether its worker ended between two windows, and its process with it."""
        return self._worker.is_closed

    def leave(self) -> None:
        """End the process if it is open and its worker lives."""
        if self._child is None or self._worker.is_closed:
            return
        with machine_lock():  # freeing its memory takes a core
            self._worker.leave(self._child)
        self._child = None

    def _finish(self, answer: Finished) -> FinishedRound | Failure:
        hello = self._worker.hello
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
            busy_cores=max((busy for busy, _ in self._loads), default=None),
            steal_share=max((steal for _, steal in self._loads), default=None),
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
        batch_sizes = (first.best_batch_size,)
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


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Args:
        label: For the log, like ``landsat.forest forest-003 onnx 1 thread``.
        kind: Imports and threads of its measuring process.
        factory: ``module:function`` that returns what opens the model.
        arguments: Arguments of the factory, JSON types.
        rows: A .npy of the rows it answers; ``None``: the bench's.
    """

    label: str
    kind: WorkerKind
    factory: str
    arguments: dict[str, Any]
    rows: Path | None = None


@dataclass(frozen=True)
class Bench:
    """What a measurement needs beside its subject.

    Args:
        pool: Started measuring processes.
        rows: A .npy of the float32 rows to answer.
        folder: For files that pass between the processes.
        settings: How thoroughly to measure.
        preset: Name of those settings.
        speed: Knows this machine's full speed from earlier processes.
    """

    pool: WorkerPool
    rows: Path
    folder: Path
    settings: MeasuringSettings
    preset: str
    speed: SpeedProbe

    def locate_rows(self, subject: Subject) -> str:
        """Return the path of the rows that a subject answers."""
        return str(subject.rows or self.rows)


@dataclass
class Measurement:
    """A measurement under way.

    Args:
        subject: What is measured.
        bench: Where and how.
        state: What is known so far.
        process: The round that is open, ``None`` between two of them.
        save: Keeps the state, called when a process has answered for the last time.
    """

    subject: Subject
    bench: Bench
    state: MeasurementState = field(default_factory=MeasurementState)
    process: OpenRound | None = None
    save: Callable[[MeasurementState], None] = lambda _: None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return self.state.is_over

    def time_window(self) -> bool:
        """Time a window of the open round, a fresh one if none is; tell whether it has ended."""
        with machine_lock():
            process = self.process
            if process is None or process.is_lost:  # with another process that its worker ran
                process = OpenRound(self.subject, self.bench, self.state)
            finished = process.time_window()
            self.process = process if finished is None else None
            # Meanwhile a process that has answered ends, which takes as long.
            if isinstance(finished, Failure):
                self.state = replace(self.state, error=finished.error)
            elif finished is not None:
                self.state = add_round(self.state, finished, self.bench.settings)
            if finished is not None:
                self.save(self.state)
            process.await_end()
        if isinstance(finished, FinishedRound):
            self.state = seek_quiet(self.state, self.bench.settings)
        return finished is not None

    def leave(self) -> None:
        """End the round that is open, if any."""
        if self.process is not None:
            self.process.leave()
            self.process = None


def add_round(
    state: MeasurementState, finished: FinishedRound, settings: MeasuringSettings
) -> MeasurementState:
    """Add what one more process found, and judge whether that is enough.

    A disturbed round earns the measurement one more, up to ``max_retries``. It comes at the
    measurement's next turn: disturbances last tenths of a second, and the others' turns lie
    between.

    Args:
        state: State so far.
        finished: What the process found.
        settings: Precision and caps.

    Returns:
        The state with one round more, ``settled`` when it is over.
    """
    state = replace(state, rounds=(*state.rounds, finished))
    if is_disturbed(finished, state.rounds, settings):
        state = replace(state, n_retries=min(state.n_retries + 1, settings.max_retries))
    return replace(state, settled=why_settled(state, settings))


def wait_for_quiet(
    settings: MeasuringSettings,
    *,
    read: Callable[[], CoreTimes | None] = read_core_times,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Look at the machine's cores until others leave them alone, or the wait is over.

    Args:
        settings: How busy is still quiet, how long to look, and to wait after the first look.
        read: Reads the cores' times; tests pass a fake.
        sleep: Waits the given seconds; tests pass a fake.

    Returns:
        Whether the last look was quiet, or could tell nothing.
    """
    waited_s = 0.0
    while True:
        before = read()
        sleep(settings.quiet_look_s)
        cores = cores_between(before, read())
        if cores is None or cores[0] <= settings.max_busy_cores:
            return True
        if waited_s >= settings.max_quiet_wait_s:
            return False
        waited_s += settings.quiet_look_s


def seek_quiet(
    state: MeasurementState,
    settings: MeasuringSettings,
    *,
    wait: Callable[[MeasuringSettings], bool] = wait_for_quiet,
) -> MeasurementState:
    """Wait for a quiet moment if others took the cores in the last round and another one follows.

    Once waiting was in vain the machine is noisy, and is not waited for any more.
    """
    if state.is_noisy or state.is_over or not is_delayed(state.rounds[-1].latency, settings):
        return state
    return replace(state, is_noisy=not wait(settings))


def measure_under_load(subject: Subject, bench: Bench, state: MeasurementState) -> MeasurementState:
    """Serve random arrivals in one more fresh process.

    Returns:
        The state with one entry more under ``server``, or with ``error``.
    """
    server = bench.settings.server
    request = ServerRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        warm_up_max_ms=bench.settings.warm_up_max_ms,
        rate_per_s=server.rate_per_s,
        n_requests=server.n_own_requests,
        max_s=server.max_s,
        seed=server.seed + len(state.server),  # other arrivals in each process
        limit_s=bench.settings.limit_s(state.longest_s) + 2 * server.max_s,
    )
    for _ in range(1 + max(1, bench.settings.max_retries)):
        with machine_lock():
            answer = bench.pool.get(subject.kind).ask(request, ServerResult)
        if not (isinstance(answer, Failure) and answer.is_of_a_stop):
            break
    if isinstance(answer, Failure):
        return replace(state, error=answer.error)
    return replace(state, server=(*state.server, answer))


def try_memory(
    subject: Subject, bench: Bench, state: MeasurementState, *, memory_mib: float, batch_size: int
) -> LimitTrial:
    """Run a model under the memory of a hardware tier, not only compute that it fits.

    Cores are limited by affinity and thread pools, in every measurement. Memory is limited by
    ``RLIMIT_DATA``: the kernel refuses to map more private writable memory. It does not count pages
    of libraries and other files, so their resident size is taken off the tier's memory first. Two
    other limits of the same family do not serve: ``RLIMIT_RSS`` has no effect on Linux, and
    ``RLIMIT_AS`` counts address space, of which a runtime reserves far more than it uses. Control
    groups would count exactly, but not every machine offers them to a user.

    Args:
        subject: What to run.
        bench: Where.
        state: Its measurement.
        memory_mib: Memory of the tier.
        batch_size: Rows of the largest call.
    """
    limit_s = bench.settings.limit_s(state.longest_s)
    answer: RanOnce | Failure
    with machine_lock():
        worker = bench.pool.get(subject.kind)
        failure = worker.await_hello(limit_s)
        if failure is not None:
            answer = failure
        else:
            of_files_mib = worker.hello.base_resident_mib - worker.hello.base_anonymous_mib
            request = RunOnceRequest(
                factory=subject.factory,
                arguments=subject.arguments,
                rows=bench.locate_rows(subject),
                memory_limit_mib=memory_mib - of_files_mib,
                batch_size=batch_size,
                limit_s=limit_s,
            )
            answer = worker.ask(request, RanOnce)
    error = answer.error if isinstance(answer, Failure) else None
    return LimitTrial(memory_mib, error is None, error, limit="RLIMIT_DATA")


def predict(subject: Subject, bench: Bench) -> npt.NDArray[np.float32]:
    """Answer all rows in the subject's serving configuration.

    Returns:
        Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).

    Raises:
        RuntimeError: If the model cannot be opened or fails.
    """
    request = PredictRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        predictions=str(bench.folder / "answers.npy"),
        limit_s=bench.settings.answer_max_s,
        is_judged=True,
    )
    with machine_lock():
        answer = bench.pool.get(subject.kind).ask(request, Predicted)
    if isinstance(answer, Failure):
        raise RuntimeError(f"{subject.label} failed: {answer.error}")
    try:
        answers: npt.NDArray[np.float32] = np.load(request.predictions)
    except (OSError, ValueError) as err:
        raise RuntimeError(f"{subject.label}: its answers cannot be read: {err}") from err
    return answers
