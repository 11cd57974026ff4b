"""What a measuring process does with its one model: load, warm up, answer rows, answer batches.

The order matters. Loading comes first, on a heap that held no model before. Latency is timed
before any large batch grows the heap. Batch sizes rise, so each memory peak belongs to its size.
Throughput (MLPerf's scenario ``offline``) is timed at several sizes, never derived from a latency.
"""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rightfit.data.request_path.raw_rows import (
    Input,
    Pool,
    copy_input,
    cut_input,
    cut_singles,
    load_rows,
    take_first,
)
from rightfit.measuring.worker.latency import Call, Clock, time_calls
from rightfit.measuring.worker.meters.cpu import PhaseMeter, await_rest
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.meters.memory import (
    FilePages,
    MemoryMeter,
    read_memory,
    reset_peak,
)
from rightfit.measuring.worker.meters.speed import SpeedProbe
from rightfit.measuring.worker.protocol import (
    Finished,
    MeasureRequest,
    Paused,
    Predicted,
    PredictRequest,
    RanOnce,
    RunOnceRequest,
    TimingLimits,
)
from rightfit.measuring.worker.results import BatchPhase, LoadPhase, ProcessResult
from rightfit.measuring.worker.single_stream import SingleStream
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S
from rightfit.models.bundle import read_bundle
from rightfit.models.predictions import require_alone, require_each
from rightfit.models.runtimes import open_predictor

Factory = Callable[..., Callable[[], Call]]  # returns what opens the model

N_ROTATING_ROWS = 1_024
N_PREDICT_ROWS = 1_024  # rows a call when the test split is answered
N_OVERHEAD_CALLS = 500
REST_MAX_S = 0.5  # after a window, for the threads of a pool to go to sleep


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


def measure_model(
    factory: Factory, request: MeasureRequest, base_pages: FilePages | None
) -> Iterator[Paused | Finished]:
    """Measure one model in this process.

    Calls of one row are timed in one window or several, with pauses in which other processes have
    their turn; all else belongs to the first window.

    Args:
        factory: Returns what opens the model, see :func:`open_bundle`.
        request: What to measure.
        base_pages: Pages of files of the worker this process was forked from.

    Yields:
        The answer to each window.
    """
    start_ns, start_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    gc.disable()  # rows are many objects without cycles
    # The file is closed: its pages are no part of the model's memory.
    pool = take_first(load_rows(request.rows), count_rows(request.batch_sizes))
    singles = cut_singles(pool, N_ROTATING_ROWS)
    gc.freeze()
    gc.enable()
    open_model = factory(**request.arguments)
    gc.collect()
    device = DeviceMeter(request.arguments.get("device", "cpu"))
    memory = MemoryMeter(base_pages)
    call, load = _load(open_model, singles[0], memory)
    gc.collect()
    gc.freeze()
    overhead = time_calls(
        lambda row: row, singles, min_calls=N_OVERHEAD_CALLS, min_ns=0, max_ns=10 * NS_PER_MS
    )
    patience_ns = int(request.slow_wait_max_ms * NS_PER_MS)
    probe = SpeedProbe(request.probe_known_ns, patience_ns=patience_ns)
    stream = SingleStream(call, singles, probe, n_windows=request.n_windows, limits=request.latency)
    stream.warm_up(max_ns=int(request.warm_up_max_ms * NS_PER_MS))
    reset_peak()
    before_rows = read_memory()
    stream.time_window()
    stream_peak_mib = memory.peak_mib(before_rows)
    timed_batches = tuple(_offline(call, pool, request, memory, probe, device))
    # Last, as looking takes memory itself; once a measurement, as it takes 5–10 ms.
    files_mib = request.files_mib or memory.files_mib()
    del open_model, pool
    spent_ns = 0
    for _ in range(request.n_windows - 1):
        await_rest(max_wait_s=REST_MAX_S)
        spent_ns += time.perf_counter_ns() - start_ns
        yield Paused(probe_looks_ns=probe.take_new())
        start_ns = time.perf_counter_ns()
        stream.warm_up(max_ns=int(request.warm_up_max_ms * NS_PER_MS))
        stream.time_window()
    samples_ns, latency = stream.finish(peak_memory_mib=stream_peak_mib)
    np.save(request.samples, samples_ns)
    result = ProcessResult(
        load=load,
        warm_up=stream.sum_warm_ups(),
        latency=latency,
        batches=timed_batches,
        files_mib=files_mib,
        device_reasons=device.reasons,
        overhead_ns=float(np.median(overhead)),
        probe_full_ns=probe.full_ns,
        total_ms=(spent_ns + time.perf_counter_ns() - start_ns) / NS_PER_MS,
        cpu_ms=(time.process_time_ns() - start_cpu_ns) / NS_PER_MS,
    )
    yield Finished(result=result, probe_looks_ns=probe.take_new())


def count_rows(batch_sizes: Sequence[int]) -> int:
    """Return how many rows, the first ones, are measured with."""
    return max([N_ROTATING_ROWS, *batch_sizes])


def _load(
    open_model: Callable[[], Call], row: Input, memory: MemoryMeter
) -> tuple[Call, LoadPhase]:
    meter = PhaseMeter()
    start_ns = time.perf_counter_ns()
    call = open_model()
    opened_ns = time.perf_counter_ns()
    call(row)
    answered_ns = time.perf_counter_ns()
    phase = meter.read()
    loaded_mib = memory.loaded_mib()
    now = read_memory()
    return call, LoadPhase(
        **vars(phase),
        load_time_ms=(answered_ns - start_ns) / NS_PER_MS,
        first_call_ms=(answered_ns - opened_ns) / NS_PER_MS,
        memory_mib=loaded_mib,
        peak_memory_mib=loaded_mib + now.peak_mib - now.resident_mib,
    )


def _offline(
    call: Call,
    pool: Pool,
    request: MeasureRequest,
    memory: MemoryMeter,
    probe: SpeedProbe,
    device: DeviceMeter,
) -> list[BatchPhase]:
    results: list[BatchPhase] = []
    max_call_ns = request.batch_max_call_ms * NS_PER_MS
    call_ns_per_row, peak_mib = 0.0, -math.inf
    for batch_size in request.batch_sizes:
        if results and call_ns_per_row * batch_size > max_call_ns:
            break  # one call alone would take too long; the smaller sizes stand
        starts = range(0, len(pool) - batch_size + 1, batch_size)  # of whole batches
        inputs = [cut_input(pool, start, start + batch_size) for start in starts]
        reset_peak()
        before = read_memory()
        start_ns = time.perf_counter_ns()
        answers = call(copy_input(inputs[0]))  # held as a server would hold it
        call_ns_per_row = (time.perf_counter_ns() - start_ns) / batch_size
        peak_mib = max(peak_mib, memory.peak_mib(before))
        require_each(answers, n_rows=batch_size)
        del answers
        results.append(
            _time_batch_size(
                call, inputs, batch_size, request.batch, probe, device, peak_mib=peak_mib
            )
        )
    return results


def _time_batch_size(
    call: Call,
    inputs: Sequence[Input],
    batch_size: int,
    limits: TimingLimits,
    probe: SpeedProbe,
    device: DeviceMeter,
    *,
    peak_mib: float,
) -> BatchPhase:
    """Time one batch size, once more when the core was slow and is fast again soon."""
    for attempt in range(2):
        before_ns = probe.await_fast()
        if attempt and probe.is_slow_at(before_ns):
            break
        device.start()
        meter = PhaseMeter()
        n_calls, spent_ns, longest_ns = time_batches(call, inputs, limits)
        phase, figures = meter.read(), device.stop()
        slowest_ns = max(before_ns, probe.time_ns())
        if not probe.is_slow_at(slowest_ns):
            break
    return BatchPhase(
        **vars(phase),
        **vars(figures),
        batch_size=batch_size,
        rows_per_s=n_calls * batch_size * NS_PER_S / spent_ns,
        n_calls=n_calls,
        longest_call_ms=longest_ns / NS_PER_MS,
        probe_ns=slowest_ns,
        peak_memory_mib=peak_mib,
    )


def time_batches(
    call: Call,
    inputs: Sequence[Input],
    limits: TimingLimits,
    *,
    clock_ns: Clock = time.perf_counter_ns,
) -> tuple[int, int, int]:
    """Time calls with batches back to back.

    Args:
        call: Answers one batch.
        inputs: Batches of one size to rotate through.
        limits: How long to go on.
        clock_ns: Monotonic clock; tests pass a fake one.

    Returns:
        Number of calls, the time of all of them and that of the longest, in nanoseconds.
    """
    min_calls, min_ns, max_ns = limits.min_calls, limits.min_ns, limits.max_ns
    start_ns = clock_ns()
    n_calls = 0
    spent_ns = longest_ns = 0
    for batch in itertools.cycle(inputs):
        call(batch)
        n_calls += 1
        before_ns, spent_ns = spent_ns, clock_ns() - start_ns
        longest_ns = max(longest_ns, spent_ns - before_ns)
        if spent_ns >= max_ns or (n_calls >= min_calls and spent_ns >= min_ns):
            break
    return n_calls, spent_ns, longest_ns


def answer_rows(factory: Factory, request: PredictRequest) -> Predicted:
    """Answer all rows and write the answers.

    Raises:
        ValueError: If they are judged, and an answer depends on the rows beside its own.
    """
    rows = load_rows(request.rows)
    call = factory(**request.arguments)()

    def cut(start: int, stop: int) -> Input:
        if isinstance(rows, np.ndarray):  # the rows of one call, read from the file
            return cut_input(np.array(rows[start:stop]), 0, stop - start)
        return cut_input(rows, start, stop)

    parts = [
        np.asarray(call(cut(start, min(start + N_PREDICT_ROWS, len(rows)))), dtype=np.float32)
        for start in range(0, len(rows), N_PREDICT_ROWS)
    ]
    answers = np.concatenate(parts)
    np.save(request.predictions, answers)
    if request.is_judged:
        require_alone(lambda start, stop: call(cut(start, stop)), answers, n_rows=len(rows))
    return Predicted(len(rows))


def run_once(factory: Factory, request: RunOnceRequest) -> RanOnce:
    """Answer one row and one batch."""
    pool = take_first(load_rows(request.rows), request.batch_size)
    call = factory(**request.arguments)()
    call(cut_input(pool, 0, 1))
    call(cut_input(pool, 0, request.batch_size))
    return RanOnce()
