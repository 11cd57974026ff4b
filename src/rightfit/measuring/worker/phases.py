"""What a measuring process does with its one model: load, warm up, answer rows, answer batches.

The order matters. Loading comes first, on a heap that held no model before. Latency is timed
before any large batch grows the heap. Batch sizes rise, so each memory peak belongs to its size.
Throughput (MLPerf's scenario ``offline``) is timed at several sizes, never derived from a latency.
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
from rightfit.measuring.worker.results import (
    BatchPhase,
    LoadPhase,
    ProcessResult,
    TimedPhase,
    find_best_batch,
)
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS, NS_PER_S
from rightfit.models.bundle import read_bundle
from rightfit.models.predictions import require_alone, require_each
from rightfit.models.runtimes import open_predictor

Factory = Callable[..., Callable[[], Call]]  # returns what opens the model

N_ROTATING_ROWS = 1_024
N_PREDICT_ROWS = 1_024  # rows a call when the test split is answered
N_TRIED_SLICES = 3  # of each size to choose from, with several threads: others rarely disturb most
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
        self._samples_path = request.samples
        has_threads = request.arguments.get("n_threads", 1) > 1
        self._device = DeviceMeter(request.arguments.get("device", "cpu"))
        memory = MemoryMeter(base_pages)
        self._call, self._load = _load(open_model, singles[0], memory)
        gc.collect()
        gc.freeze()
        rows = itertools.cycle(singles)
        warm_up(self._call, singles, max_ns=int(request.warm_up_max_ms * NS_PER_MS))
        reset_peak()
        before_rows = read_memory()
        first_ns = time_calls(
            self._call, rows, min_calls=3, min_ns=0, max_ns=int(request.slice_ms * NS_PER_MS)
        )
        self._row_peak_mib = memory.peak_mib(before_rows)
        self._tried = tuple(_try_batches(self._call, pool, request, memory, self._device))
        # Last, as looking takes memory itself; once a measurement, as it takes 5-10 ms.
        self._files_mib = request.files_mib or memory.files_mib()
        best = find_best_batch(self._tried)
        self._best = best
        call_ms = float(np.median(first_ns)) / NS_PER_MS
        batch_ms = best.batch_size * MS_PER_S / best.rows_per_s  # without what others took
        self._rows, self._batches = (
            _Slices(inputs, choose_slice_ms(request.slice_ms, ms), has_threads=has_threads)
            for inputs, ms in (
                (rows, call_ms),
                (itertools.cycle(_cut_batches(pool, best.batch_size)), batch_ms),
            )
        )
        self.ready = Ready(
            call_ms, max(call_ms, self._rows.slice_ms), max(batch_ms, self._batches.slice_ms)
        )
        self._spent_ns = time.perf_counter_ns() - start_ns

    def time_slice(self, *, is_batch: bool) -> SliceTimed:
        """Time calls for the length of a slice, at least one.

        The first calls after the others had the core refill its caches. They do not count where
        others follow: what is told is the time of calls back to back.
        """
        start_ns = time.perf_counter_ns()
        slices = self._batches if is_batch else self._rows
        call_ns = slices.time(self._call)
        self._spent_ns += time.perf_counter_ns() - start_ns
        return SliceTimed(call_ns)

    def finish(
        self, *, row_slowdowns: Sequence[float] = (), batch_slowdowns: Sequence[float] = ()
    ) -> ProcessResult:
        """Write the times of single rows; return what was found.

        Args:
            row_slowdowns: How much slower than usual the machine was in each slice of single rows,
                which is taken out of its times; empty: unknown.
            batch_slowdowns: Likewise of batches.
        """
        self._rows.even_out(row_slowdowns)
        self._batches.even_out(batch_slowdowns)
        samples_ns = self._rows.read_samples_ns()
        np.save(self._samples_path, samples_ns)
        rows = self._rows.sum_up()
        best, timed = self._best, self._batches.sum_up()
        batch = replace(
            best,
            **vars(timed) | {"peak_memory_mib": best.peak_memory_mib},
            rows_per_s=best.batch_size * NS_PER_S / self._batches.read_call_ns(),
            energy_j=best.energy_j and best.energy_j / best.n_calls * timed.n_calls,
        )
        return ProcessResult(
            load=self._load,
            latency=replace(rows, n_calls=len(samples_ns), peak_memory_mib=self._row_peak_mib),
            batches=tuple(batch if tried is best else tried for tried in self._tried),
            files_mib=self._files_mib,
            device_reasons=self._device.reasons,
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
    call: Call,
    pool: Pool,
    request: MeasureRequest,
    memory: MemoryMeter,
    device: DeviceMeter,
) -> Iterator[BatchPhase]:
    """Time batch sizes shortly one after another, until a call takes too long."""
    max_call_ns = request.batch_max_call_ms * NS_PER_MS
    has_threads = request.arguments.get("n_threads", 1) > 1
    n_slices = N_TRIED_SLICES if has_threads and len(request.batch_sizes) > 1 else 1
    call_ns_per_row, peak_mib = 0.0, -math.inf
    for batch_size in request.batch_sizes:
        if call_ns_per_row * batch_size > max_call_ns:
            return  # one call alone would take too long; the smaller sizes stand
        inputs = _cut_batches(pool, batch_size)
        reset_peak()
        before = read_memory()
        # Held as a server would hold it; it warms the size up too, whose next call is timed.
        answers = call(copy_input(inputs[0]))
        peak_mib = max(peak_mib, memory.peak_mib(before))
        require_each(answers, n_rows=batch_size)
        del answers
        slices = _Slices(itertools.cycle(inputs), request.batch_ms, has_threads=has_threads)
        device.start()
        start_ns = time.perf_counter_ns()
        for _ in range(n_slices):
            slices.time(call)
            if time.perf_counter_ns() - start_ns > max_call_ns:
                break
        figures, timed = device.stop(), slices.sum_up()
        call_ns_per_row = slices.read_call_ns() / batch_size
        yield BatchPhase(
            **vars(timed) | {"peak_memory_mib": peak_mib},
            **vars(figures) | {"energy_j": slices.share(figures.energy_j)},
            batch_size=batch_size,
            rows_per_s=NS_PER_S / call_ns_per_row,
        )


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
