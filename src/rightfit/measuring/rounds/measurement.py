"""One process of a measurement: a model under one serving configuration, timed in slices.

Each process times every batch size; all of them together tell the best one. The first ones
tell how much of the files they mapped.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.measuring.metrics import LATENCY_COLUMNS
from rightfit.measuring.rounds.batch_sizes import find_contending_sizes
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import usable_rounds
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.worker.latency import REFILL_MS, percentile_ns
from rightfit.measuring.worker.protocol import (
    Failure,
    FinishRequest,
    MeasureRequest,
    Predicted,
    PredictRequest,
    RanOnce,
    Ready,
    RunOnceRequest,
    ServerRequest,
    SliceRequest,
    SliceTimed,
)
from rightfit.measuring.worker.results import LimitTrial, ProcessResult, ServerResult

# Cores that others may use beyond those that its threads leave free: docs/explanation/measuring.md
MAX_SHARED_CORES = 0.3
N_FILE_LOOKS = 3  # processes that look how much of files is resident, which takes 5-10 ms each
MIN_SLICES = 2  # of each batch size that may be the best, once other processes have said which
NO_SLOWDOWNS: Mapping[int | None, Sequence[float]] = MappingProxyType({})


def has_shared_cores(n_threads: int, others_cores: float | None, *, n_cores: int) -> bool:
    """Tell whether several threads shared their cores with other processes.

    Of one thread the CPU time tells what others took, and it is left out. Of several it is not
    known: two threads of which one waits take as long as one, or many times as long.

    >>> has_shared_cores(2, 0.5, n_cores=2), has_shared_cores(2, 0.5, n_cores=4)
    (True, False)
    """
    return n_threads > 1 and (others_cores or 0.0) > n_cores - n_threads + MAX_SHARED_CORES


class OpenRound:
    """A round under way: one fresh process, which sleeps while others are timed.

    It is part of no stored state: an interruption loses it, and no more.

    Args:
        subject: What to measure.
        bench: Where and how.
        state: State of the measurement so far.
    """

    def __init__(
        self, subject: MeasurementTarget, bench: MeasurementContext, state: MeasurementState
    ) -> None:
        self._bench = bench
        self._request = _request(subject, bench, state)
        self._contending_sizes = find_contending_sizes(usable_rounds(state.rounds))
        self._worker = bench.pool.get(subject.kind)
        self._n_threads = subject.kind.n_threads
        self._ready = self._worker.ask(self._request, Ready)

    @property
    def pid(self) -> int | None:
        """Process id; ``None``: it has failed or is lost."""
        return self._ready.child if isinstance(self._ready, Ready) and not self.is_lost else None

    @property
    def is_lost(self) -> bool:
        """Whether its worker has ended by another process' fault, and this process with it."""
        return isinstance(self._ready, Ready) and self._worker.is_closed

    def count_slices(self) -> dict[int | None, int]:
        """Return how many slices it takes by batch size; ``None``: of single rows.

        The first process has as many of each size. Later ones time those longer that may be the
        best by what all earlier ones found, and every other size in one slice.
        """
        if isinstance(self._ready, Failure):
            return {}
        settings = self._bench.settings
        call_ms, slice_ms = self._ready.call_ms, self._ready.row_slice_ms
        that_count = max(1.0, (slice_ms - REFILL_MS) / call_ms)  # calls of a slice
        rows_ms = max(settings.latency_min_ms, settings.latency_min_calls / that_count * slice_ms)
        slices_ms = self._ready.batch_slices_ms
        counts: dict[int | None, int] = dict.fromkeys(slices_ms, 1)
        contending = [size for size in self._contending_sizes if size in slices_ms]
        for size in contending or slices_ms:
            batch_ms = settings.batch_min_ms / max(1, len(contending))
            least = MIN_SLICES if contending else 1
            counts[size] = max(least, math.ceil(batch_ms / slices_ms[size]))
        counts[None] = math.ceil(min(rows_ms, settings.latency_max_ms) / slice_ms)
        return counts

    def time_slice(self, batch_size: int | None = None) -> float | None:
        """Have a slice timed while all others sleep; return the middle time of its calls in ns.

        Args:
            batch_size: Rows a call; ``None``: single rows.

        Returns:
            ``None`` of a process that has failed or is lost: it is not asked.
        """
        if isinstance(self._ready, Failure) or self.is_lost:
            return None
        request = SliceRequest(self._ready.child, batch_size, limit_s=self._request.limit_s)
        answer = self._worker.ask(request, SliceTimed)
        if isinstance(answer, Failure):
            self._ready = answer
            return None
        return answer.call_ns

    def finish(
        self,
        *,
        block: str,
        others_cores: float | None,
        slowdowns: Mapping[int | None, Sequence[float]] = NO_SLOWDOWNS,
    ) -> FinishedRound | Failure | None:
        """End the process and return what it found; ``None``: it is lost.

        Args:
            block: Name of the block.
            others_cores: Cores that processes outside the block used meanwhile; ``None``: unknown.
            slowdowns: By how much the machine was slower than usual in each slice, by batch size;
                see :func:`~rightfit.measuring.blocks.estimate_slowdowns`. Empty: unknown.
        """
        if isinstance(self._ready, Failure):
            return self._ready
        if self.is_lost:
            return None
        request = FinishRequest(
            self._ready.child,
            limit_s=self._request.limit_s,
            row_slowdowns=tuple(slowdowns.get(None, ())),
            batch_slowdowns=tuple(
                tuple(slowdowns.get(size, ())) for size in self._ready.batch_slices_ms
            ),
        )
        answer = self._worker.ask(request, ProcessResult)
        if isinstance(answer, Failure):
            return answer
        hello = self._worker.hello
        samples_ns: npt.NDArray[np.float64]
        try:
            samples_ns = np.load(self._request.samples)
            Path(self._request.samples).unlink()  # overwriting it would wait for the disk
        except (OSError, ValueError) as err:
            return Failure(f"its latencies cannot be read: {err}")
        return FinishedRound(
            **vars(answer),
            percentiles_ns={share: percentile_ns(samples_ns, share) for share in LATENCY_COLUMNS},
            base_resident_mib=hello.base_resident_mib,
            base_peak_mib=hello.base_peak_mib,
            others_cores=others_cores,
            block=block,
            is_disturbed=has_shared_cores(
                self._n_threads, others_cores, n_cores=os.cpu_count() or 1
            ),
        )

    def leave(self) -> None:
        """End the process if its worker lives."""
        if isinstance(self._ready, Ready) and not self.is_lost:
            self._worker.leave(self._ready.child)


def _request(
    subject: MeasurementTarget, bench: MeasurementContext, state: MeasurementState
) -> MeasureRequest:
    """Ask for one more process."""
    settings = bench.settings
    files_mib = [one.files_mib for one in state.rounds]
    return MeasureRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        warm_up_max_ms=settings.warm_up_max_ms,
        slice_ms=settings.slice_ms,
        batch_sizes=settings.batch_sizes,
        batch_max_call_ms=settings.batch_max_call_ms,
        files_mib=statistics.median(files_mib) if len(files_mib) >= N_FILE_LOOKS else None,
        samples=str(bench.folder / "samples.npy"),
        limit_s=settings.answer_max_s,
    )


@dataclass(frozen=True)
class MeasurementTarget:
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
class MeasurementContext:
    """What a measurement needs beside its subject.

    Args:
        pool: Started measuring processes.
        rows: A .npy of the float32 rows to answer.
        folder: For files that pass between the processes.
        settings: How thoroughly to measure.
        preset: Name of those settings.
    """

    pool: WorkerPool
    rows: Path
    folder: Path
    settings: MeasuringSettings
    preset: str

    def locate_rows(self, subject: MeasurementTarget) -> str:
        """Return the path of the rows that a subject answers."""
        return str(subject.rows or self.rows)


def measure_under_load(
    subject: MeasurementTarget, bench: MeasurementContext, state: MeasurementState
) -> MeasurementState:
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
        limit_s=bench.settings.answer_max_s + 2 * server.max_s,
    )
    with machine_lock():
        answer = bench.pool.get(subject.kind).ask(request, ServerResult)
    if isinstance(answer, Failure):
        return replace(state, error=answer.error)
    return replace(state, server=(*state.server, answer))


def try_memory(
    subject: MeasurementTarget,
    bench: MeasurementContext,
    *,
    memory_mib: float,
    batch_size: int,
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
        memory_mib: Memory of the tier.
        batch_size: Rows of the largest call.
    """
    limit_s = bench.settings.answer_max_s
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


def predict(subject: MeasurementTarget, bench: MeasurementContext) -> npt.NDArray[np.float32]:
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
