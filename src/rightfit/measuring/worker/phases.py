"""What a measuring process does with its one model: load, warm up, answer rows, answer batches.

The order matters. Loading comes first, on a heap that held no model before. The memory of single
rows is read before any large batch grows the heap. Batch sizes rise, so each memory peak belongs to
its size. Throughput (MLPerf's scenario ``offline``) is timed at every size, never derived from a
latency.
"""

from __future__ import annotations

import gc
import itertools
import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.raw_rows import (
    Input,
    Pool,
    copy_input,
    cut_input,
    cut_singles,
    load_rows,
    take_first,
)
from rightfit.measuring.worker.latency import REFILL_MS, Call, time_calls, warm_up
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.meters.memory import (
    FilePages,
    MemoryMeter,
    read_memory,
    reset_peak,
)
from rightfit.measuring.worker.protocol import (
    Answered,
    AnswerMoreRequest,
    AnswerRequest,
    MeasureRequest,
    Predicted,
    PredictRequest,
    RanOnce,
    Ready,
    RunOnceRequest,
    SliceTimed,
)
from rightfit.measuring.worker.request_parts import time_parts
from rightfit.measuring.worker.results import (
    BatchPhase,
    DeviceFigures,
    LoadPhase,
    ProcessResult,
    TimedPhase,
)
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S
from rightfit.models.bundle import read_bundle
from rightfit.models.predictions import require_alone, require_each
from rightfit.models.runtimes import open_predictor

Factory = Callable[..., Callable[[], Call]]  # returns what opens the model

N_ROTATING_ROWS = 1_024
N_PREDICT_ROWS = 1_024  # rows a call when the test split is answered
PIECE_NS = NS_PER_MS // 4  # of a slice whose CPU time is read at once, or one call
MAX_TAKEN_SHARE = 0.05  # of a piece whose single calls count
MIN_SLICE_CALLS = 5
LONGEST_SLICE = 10  # times the usual length, for so many calls; a longer call has one to itself


def open_bundle(
    path: str,
    *,
    family: str | None,
    runtime: str,
    n_threads: int,
    device: str,
    sha256: str | None = None,
) -> Callable[[], Call]:
    """Check a model bundle and return what opens it.

    The check of the files' hashes is left out of the load time: it is done once a deployment. The
    parent sends no bundle whose native weights it does not trust.

    Args:
        path: Folder of the bundle.
        family: Import path of the model's family, which a bundle never names itself; only the
            native runtime imports it.
        runtime: Serving runtime.
        n_threads: Threads a call may use.
        device: ``cpu`` or ``cuda``.
        sha256: Of the ``bundle.json`` whose files the parent has checked; ``None`` checks all here.
    """
    bundle = read_bundle(Path(path), family=family, trust=True, checked_sha256=sha256)
    return lambda: open_predictor(bundle, runtime=runtime, n_threads=n_threads, device=device)


class Contender:
    """A loaded, warm model that is timed in slices, among others that are timed meanwhile.

    Slices of some milliseconds in random order meet the same moments of the machine: what is left
    between two models is what they differ by (randomised interleaved trials: Abedi and Brecht, ICPE
    2017; duets: Bulej et al., ICPE 2020).

    Args:
        factory: Returns what opens the model, see :func:`open_bundle`.
        request: What to measure.
        base_pages: Pages of files of the worker this process was forked from.
    """

    def __init__(
        self, factory: Factory, request: MeasureRequest, base_pages: FilePages | None
    ) -> None:
        start_ns, self._start_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        gc.disable()  # rows are many objects without cycles
        # The file is closed: its pages are no part of the model's memory.
        pool = take_first(load_rows(request.rows), count_rows(request.batch_sizes))
        singles = cut_singles(pool, N_ROTATING_ROWS)
        gc.freeze()
        gc.enable()
        open_model = factory(**request.arguments)
        gc.collect()
        self._request = request
        has_threads = request.arguments.get("n_threads", 1) > 1
        self._device = DeviceMeter(request.arguments.get("device", "cpu"))
        memory = MemoryMeter(base_pages)
        self._call, self._load = _load(open_model, singles[0], memory)
        gc.collect()
        gc.freeze()
        self._singles, rows = singles, itertools.cycle(singles)
        warm_up(self._call, singles, max_ns=int(request.warm_up_max_ms * NS_PER_MS))
        reset_peak()
        before_rows = read_memory()
        first_ns = time_calls(
            self._call, rows, min_calls=3, min_ns=0, max_ns=int(request.slice_ms * NS_PER_MS)
        )
        self._row_peak_mib = memory.peak_mib(before_rows)
        call_ms = float(np.median(first_ns)) / NS_PER_MS
        self._rows = _Slices(
            rows, choose_slice_ms(request.slice_ms, call_ms), has_threads=has_threads
        )
        self._batches: dict[int, _Batches] = {}
        for size, batch_ms, peak_mib in _try_batches(self._call, pool, request, memory):
            slices = _Slices(
                itertools.cycle(_cut_batches(pool, size)),
                choose_slice_ms(request.slice_ms, batch_ms),
                has_threads=has_threads,
            )
            self._batches[size] = _Batches(size, slices, batch_ms, peak_mib)
        # Last, as looking takes memory itself; not in all processes, as it takes 5-10 ms.
        looked_mib = request.files_mib
        self._files_mib = memory.files_mib() if looked_mib is None else looked_mib
        self.ready = Ready(
            call_ms,
            max(call_ms, self._rows.slice_ms),
            {size: batches.slice_ms for size, batches in self._batches.items()},
        )
        self._spent_ns = time.perf_counter_ns() - start_ns

    def time_slice(self, batch_size: int | None = None) -> SliceTimed:
        """Time calls for the length of a slice, at least one.

        The first calls after the others had the core refill its caches. They do not count where
        others follow: what is told is the time of calls back to back.

        Args:
            batch_size: Rows a call, one of ``ready.batch_slices_ms``; ``None``: single rows.
        """
        start_ns = time.perf_counter_ns()
        if batch_size is None:
            call_ns = self._rows.time(self._call)
        else:
            call_ns = self._batches[batch_size].time(self._call, self._device)
        self._spent_ns += time.perf_counter_ns() - start_ns
        return SliceTimed(call_ns)

    def finish(
        self,
        *,
        row_slowdowns: Sequence[float] = (),
        batch_slowdowns: Sequence[Sequence[float]] = (),
    ) -> ProcessResult:
        """Write the times of single rows; return what was found.

        Args:
            row_slowdowns: How much slower than usual the machine was in each slice of single rows,
                which is taken out of its times; empty: unknown.
            batch_slowdowns: Likewise of batches, by size in the order of ``ready``.
        """
        self._rows.even_out(row_slowdowns)
        for batches, slowdowns in zip(self._batches.values(), batch_slowdowns, strict=False):
            batches.slices.even_out(slowdowns)
        samples_ns = self._rows.read_samples_ns()
        np.save(self._request.samples, samples_ns)
        rows = self._rows.sum_up()
        return ProcessResult(
            load=self._load,
            latency=replace(rows, n_calls=len(samples_ns), peak_memory_mib=self._row_peak_mib),
            batches=tuple(
                batches.sum_up() for batches in self._batches.values() if batches.slices.is_timed
            ),
            files_mib=self._files_mib,
            device_reasons=self._device.reasons,
            parts=time_parts(self._call, self._singles),
            total_ms=self._spent_ns / NS_PER_MS,
            cpu_ms=(time.process_time_ns() - self._start_cpu_ns) / NS_PER_MS,
        )


@dataclass(frozen=True)
class _Piece:
    """Calls timed in a row, a part of a slice.

    Args:
        samples_ns: Wall time of each.
        taken_ns: Of it, that other processes had its core.
        cpu_ns: CPU time of all threads.
        slowdown: Times that its work took / usual times on this machine.
    """

    samples_ns: npt.NDArray[np.int64]
    taken_ns: int
    cpu_ns: int
    slowdown: float = 1.0

    @property
    def n_calls(self) -> int:
        return len(self.samples_ns)

    @property
    def wall_ns(self) -> int:
        """Time of its calls on its core."""
        return int(self.samples_ns.sum()) - self.taken_ns

    @property
    def is_clean(self) -> bool:
        """Whether the time of each call is known: of one call it is."""
        return self.n_calls == 1 or self.taken_ns <= MAX_TAKEN_SHARE * self.samples_ns.sum()

    @property
    def calls_ns(self) -> npt.NDArray[np.float64]:
        """Time of each call, without what others took if it is alone."""
        taken_ns = self.taken_ns if self.n_calls == 1 else 0
        return np.asarray((self.samples_ns - taken_ns) * self._usual_share, dtype=np.float64)

    @property
    def call_ns(self) -> float:
        """Mean time of a call."""
        return self.wall_ns * self._usual_share / self.n_calls

    @property
    def _usual_share(self) -> float:
        """Usual time / its time; where it waits, nothing is slowed down."""
        working = min(1.0, self.cpu_ns / max(self.wall_ns, 1))
        return 1 - working + working / self.slowdown


class _Slices:
    """The timed calls of one kind.

    A process that never waited in a piece, and has one thread, took its CPU time: what the clock
    shows beyond it others took. That is left out, as it is the machine's and not the model's. Of
    several threads CPU time does not tell it; there the median piece stands for all.

    Args:
        inputs: Endless; a slice goes on where the last one ended.
        slice_ms: Length of a slice.
        has_threads: Whether a call uses several threads, so that CPU time says nothing of this.
    """

    def __init__(self, inputs: Iterator[Input], slice_ms: float, *, has_threads: bool) -> None:
        self._inputs = inputs
        self.slice_ms = slice_ms
        self._has_threads = has_threads
        self._pieces: list[_Piece] = []  # that count
        self._ends: list[int] = []  # pieces up to the end of each slice
        self._n_calls = 0  # of all pieces

    def time(self, call: Call) -> float:
        """Time a slice more; return the middle time of its calls that count, in ns.

        Pieces count from when the caches are filled, or else the last one.
        """
        start_ns, spent_ns, pieces = time.perf_counter_ns(), 0, []
        while spent_ns < self.slice_ms * NS_PER_MS:
            is_warm = spent_ns >= REFILL_MS * NS_PER_MS
            pieces.append((is_warm, self._time_piece(call)))
            spent_ns = time.perf_counter_ns() - start_ns
        self._n_calls += sum(piece.n_calls for _, piece in pieces)
        counting = [piece for is_warm, piece in pieces if is_warm] or [pieces[-1][1]]
        self._pieces += counting
        self._ends.append(len(self._pieces))
        return _middle(np.concatenate([piece.calls_ns for piece in counting]))

    def even_out(self, slowdowns: Sequence[float]) -> None:
        """Take out of each slice's times by how much the machine was slower than usual."""
        for (start, end), slowdown in zip(
            itertools.pairwise([0, *self._ends]), slowdowns, strict=False
        ):
            self._pieces[start:end] = [
                replace(piece, slowdown=slowdown) for piece in self._pieces[start:end]
            ]

    def _time_piece(self, call: Call) -> _Piece:
        n_waits = _count_waits()
        start_cpu_ns = time.process_time_ns()
        samples_ns = time_calls(call, self._inputs, min_calls=1, min_ns=PIECE_NS, max_ns=PIECE_NS)
        cpu_ns = time.process_time_ns() - start_cpu_ns
        has_waited = self._has_threads or _count_waits() > n_waits
        # of the calls alone: what others took before or after them is not in their times
        calls_ns = int(samples_ns.sum())
        taken_ns = 0 if has_waited else min(max(0, calls_ns - cpu_ns), calls_ns - 1)
        return _Piece(samples_ns, taken_ns, cpu_ns)

    @property
    def is_timed(self) -> bool:
        """Whether there is a slice."""
        return bool(self._ends)

    def read_samples_ns(self) -> npt.NDArray[np.float64]:
        """Return the times of single calls, of the pieces that others left alone if these do."""
        clean = [piece for piece in self._pieces if piece.is_clean]
        is_enough = 2 * sum(piece.n_calls for piece in clean) >= sum(
            piece.n_calls for piece in self._pieces
        )
        return np.concatenate([piece.calls_ns for piece in (clean if is_enough else self._pieces)])

    def read_call_ns(self) -> float:
        """Return what a call takes: the mean, or of several threads the median over pieces."""
        if self._has_threads:
            return _middle(np.array([piece.call_ns for piece in self._pieces]))
        n_calls = sum(piece.n_calls for piece in self._pieces)
        return sum(piece.call_ns * piece.n_calls for piece in self._pieces) / n_calls

    def share(self, figure: float | None) -> float | None:
        """Return the share that the calls that count have in what all calls took together."""
        return figure and figure * sum(piece.n_calls for piece in self._pieces) / self._n_calls

    def sum_up(self) -> TimedPhase:
        """Return what all that counts took together, in which the process had its core."""
        wall_ns = sum(piece.wall_ns for piece in self._pieces)
        cpu_ns = sum(piece.cpu_ns for piece in self._pieces)
        return TimedPhase(
            wall_ms=wall_ns / NS_PER_MS,
            cpu_ms=cpu_ns / NS_PER_MS,
            n_calls=sum(piece.n_calls for piece in self._pieces),
            peak_memory_mib=0.0,
        )


class _Batches:
    """The timed calls of one batch size, and what its device took.

    Args:
        size: Rows a call.
        slices: Their times.
        call_ms: What a call takes, about.
        peak_mib: Highest growth of memory up to this size.
    """

    def __init__(self, size: int, slices: _Slices, call_ms: float, peak_mib: float) -> None:
        self.slices = slices
        self.slice_ms = max(call_ms, slices.slice_ms)
        self._size, self._peak_mib = size, peak_mib
        self._figures = DeviceFigures()
        self._energy_j: float | None = None

    def time(self, call: Call, device: DeviceMeter) -> float:
        """Time a slice more; return the middle time of its calls that count, in ns."""
        device.start()
        call_ns = self.slices.time(call)
        self._figures = device.stop()
        if self._figures.energy_j is not None:
            self._energy_j = (self._energy_j or 0.0) + self._figures.energy_j
        return call_ns

    def sum_up(self) -> BatchPhase:
        """Return what all slices found together."""
        return BatchPhase(
            **vars(self.slices.sum_up()) | {"peak_memory_mib": self._peak_mib},
            **vars(self._figures) | {"energy_j": self.slices.share(self._energy_j)},
            batch_size=self._size,
            rows_per_s=self._size * NS_PER_S / self.slices.read_call_ns(),
        )


def choose_slice_ms(slice_ms: float, call_ms: float) -> float:
    """Return after what time a slice starts no further call: a slow model's is few calls, or one.

    >>> [choose_slice_ms(2.0, call_ms) for call_ms in (0.01, 1.0, 8.0, 30.0)]
    [2.0, 5.0, 20.0, 20.0]
    """
    return max(slice_ms, min(MIN_SLICE_CALLS * call_ms, LONGEST_SLICE * slice_ms))


def _middle(values: npt.NDArray[np.float64]) -> float:
    """Return the median: numpy's would import numpy.ma, 12 ms and 0.4 MiB of each process."""
    ordered = np.sort(values)
    middle = len(ordered) // 2
    return float(ordered[middle] + ordered[~middle]) / 2


def _count_waits() -> int:
    """Return how often this process gave its core away by itself."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def count_rows(batch_sizes: Sequence[int]) -> int:
    """Return how many rows, the first ones, are measured with."""
    return max([N_ROTATING_ROWS, *batch_sizes])


def _load(
    open_model: Callable[[], Call], row: Input, memory: MemoryMeter
) -> tuple[Call, LoadPhase]:
    start_ns = time.perf_counter_ns()
    call = open_model()
    call(row)
    load_ns = time.perf_counter_ns() - start_ns
    loaded_mib = memory.loaded_mib()
    now = read_memory()
    return call, LoadPhase(
        load_time_ms=load_ns / NS_PER_MS,
        memory_mib=loaded_mib,
        peak_memory_mib=loaded_mib + now.peak_mib - now.resident_mib,
    )


def _try_batches(
    call: Call, pool: Pool, request: MeasureRequest, memory: MemoryMeter
) -> Iterator[tuple[int, float, float]]:
    """Answer a batch of each size, until a call takes too long.

    Yields:
        Its size, what a call takes in ms, and the highest growth of memory so far in MiB.
    """
    call_ms, last_size, peak_mib = 0.0, 1, -math.inf
    for batch_size in request.batch_sizes:
        if call_ms / last_size * batch_size > request.batch_max_call_ms:
            return  # one call alone would take too long; the smaller sizes stand
        first = _cut_batches(pool, batch_size)[0]
        reset_peak()
        before = read_memory()
        batch = copy_input(first)
        start_ns = time.perf_counter_ns()
        answers = call(batch)  # held as a server would hold it
        call_ms = (time.perf_counter_ns() - start_ns) / NS_PER_MS
        peak_mib = max(peak_mib, memory.peak_mib(before))
        require_each(answers, n_rows=batch_size)
        del answers
        if call_ms < request.slice_ms:  # the first call of a size has fresh memory to get
            start_ns = time.perf_counter_ns()
            call(batch)
            call_ms = (time.perf_counter_ns() - start_ns) / NS_PER_MS
        del batch
        last_size = batch_size
        yield batch_size, call_ms, peak_mib


def _cut_batches(pool: Pool, batch_size: int) -> list[Input]:
    """Return whole batches of the rows."""
    starts = range(0, len(pool) - batch_size + 1, batch_size)
    return [cut_input(pool, start, start + batch_size) for start in starts]


def answer_rows(factory: Factory, request: PredictRequest) -> Predicted:
    """Answer all rows and write the answers.

    Raises:
        ValueError: If they are judged, and an answer depends on the rows beside its own.
    """
    rows = load_rows(request.rows)
    call = factory(**request.arguments)()
    parts = [np.asarray(part, dtype=np.float32) for part in _answer_parts(call, rows)]
    answers = np.concatenate(parts)
    np.save(request.predictions, answers)
    if request.is_judged:
        require_alone(lambda start, stop: call(_cut(rows, start, stop)), answers, n_rows=len(rows))
    return Predicted(len(rows))


def answer_plainly(call: Call, request: AnswerRequest | AnswerMoreRequest) -> Answered:
    """Answer all rows and write the answers, texts or numbers, as the model gives them.

    Raises:
        ValueError: If they are something else.
    """
    answers = np.concatenate(list(_answer_parts(call, load_rows(request.rows))))
    if answers.dtype.hasobject:
        values = answers.ravel().tolist()
        plain = np.asarray(values).reshape(answers.shape)
        if plain.dtype.kind != "U" or all(isinstance(value, str) for value in values):
            answers = plain
    if answers.dtype.kind not in "biufU":
        raise ValueError(f"it answers {answers.dtype}: it must answer texts or numbers, no nulls")
    np.save(request.answers, answers, allow_pickle=False)
    return Answered(time.process_time())


def _answer_parts(call: Call, rows: Pool) -> Iterator[npt.NDArray[Any]]:
    """Yield a model's answers to all rows, some thousand a call."""
    for start in range(0, len(rows), N_PREDICT_ROWS):
        answers = call(_cut(rows, start, min(start + N_PREDICT_ROWS, len(rows))))
        yield np.atleast_1d(np.asarray(answers))


def _cut(rows: Pool, start: int, stop: int) -> Input:
    if isinstance(rows, np.ndarray):  # the rows of one call, read from the file
        return cut_input(np.array(rows[start:stop]), 0, stop - start)
    return cut_input(rows, start, stop)


def run_once(factory: Factory, request: RunOnceRequest) -> RanOnce:
    """Answer one row and one batch."""
    pool = take_first(load_rows(request.rows), request.batch_size)
    call = factory(**request.arguments)()
    call(cut_input(pool, 0, 1))
    call(cut_input(pool, 0, request.batch_size))
    return RanOnce()
