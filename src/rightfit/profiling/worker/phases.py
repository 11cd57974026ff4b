"""What a measuring process does with its one model: load, warm up, answer rows, answer batches.

The order matters. Loading comes first, on a heap that held no model before. Latency is timed
before any large batch grows the heap. Batch sizes rise, so each memory peak belongs to its size.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.blocks import time_blocks
from rightfit.profiling.worker.cpu import await_rest
from rightfit.profiling.worker.device_meter import DeviceMeter
from rightfit.profiling.worker.latency import NS_PER_MS, Call, time_calls, warm_up
from rightfit.profiling.worker.memory import read_memory, reset_peak
from rightfit.profiling.worker.phase_meters import MemoryMeter, PhaseMeter
from rightfit.profiling.worker.single_stream import SingleStream
from rightfit.profiling.worker.speed import SpeedProbe
from rightfit.profiling.worker.throughput import NS_PER_S, batches, time_batches

Json = dict[str, Any]
Rows = npt.NDArray[np.float32]

N_ROTATING_ROWS = 1_024
N_PREDICT_ROWS = 1_024  # rows a call when the test split is answered
N_OVERHEAD_CALLS = 500
REST_MAX_S = 0.5  # after a visit, for the threads of a pool to go to sleep


@dataclass(frozen=True)
class Meters:
    """What is read beside the clock while batches are answered.

    Args:
        probe: Looks at the core's speed.
        device: Reads energy, and a GPU.
    """

    probe: SpeedProbe
    device: DeviceMeter


def measure(factory: Callable[..., Callable[[], Call]], request: Json) -> Iterator[Json]:
    """Measure one model in this process.

    Calls of one row are timed in one visit or several, with pauses in which other processes have
    their turn; all else belongs to the first visit.

    Args:
        factory: Returns what opens the model, see ``worker.open_bundle``.
        request: ``arguments`` of the factory; ``rows`` (path of a .npy of float32 rows);
            ``latency`` and ``batch``, each with ``min_calls``, ``min_ms`` and ``max_ms``;
            ``n_visits``, which share what ``latency`` asks for; ``warm_up_max_ms`` of a visit;
            ``batch_sizes``, rising; ``samples`` (path the latencies in nanoseconds are written
            to); ``probe_known_ns`` (the speed probe's time at full speed, ``None`` when not
            known); ``slow_wait_max_ms`` (longest time to wait for a fast core); ``files_mib``
            (what an earlier process found, ``None`` to look).

    Yields:
        After each visit ``probe_looks_ns``, its looks at the speed, and ``visits_left``; after the
        last one what each phase took instead, plain JSON types.
    """
    start_ns = time.perf_counter_ns()
    stream, probe, result = _make_first_visit(factory, request)
    n_told = 0
    for visits_left in range(request["n_visits"] - 1, 0, -1):
        await_rest(max_wait_s=REST_MAX_S)
        result["total_ms"] += (time.perf_counter_ns() - start_ns) / NS_PER_MS
        yield {"visits_left": visits_left, "probe_looks_ns": probe.looks_after(n_told)}
        n_told = probe.n_looks
        start_ns = time.perf_counter_ns()
        stream.warm_up(max_ns=request["warm_up_max_ms"] * NS_PER_MS)
        stream.time_window()
    selected = stream.select()
    np.save(request["samples"], selected.samples_ns)
    result["warm_up"] = stream.describe_warm_ups()
    result["latency"] |= stream.describe(selected)
    result["probe_full_ns"] = probe.full_ns
    result["total_ms"] += (time.perf_counter_ns() - start_ns) / NS_PER_MS
    yield result | {"probe_looks_ns": probe.looks_after(n_told)}


def _make_first_visit(
    factory: Callable[..., Callable[[], Call]], request: Json
) -> tuple[SingleStream, SpeedProbe, Json]:
    # The file is let go of: its pages are no part of the model's memory.
    pool = _resize(
        np.load(request["rows"], mmap_mode="r"), max([N_ROTATING_ROWS, *request["batch_sizes"]])
    )
    singles = [pool[i : i + 1] for i in range(N_ROTATING_ROWS)]
    open_model = factory(**request["arguments"])
    gc.collect()
    device = DeviceMeter(request["arguments"].get("device", "cpu"))
    memory = MemoryMeter(request["base_pages"])
    call, load = _load(open_model, singles[0], memory)
    gc.collect()
    gc.freeze()
    result: Json = {"load": load, "overhead_ns": _overhead_ns(singles), "total_ms": 0.0}
    probe = SpeedProbe(
        request["probe_known_ns"], patience_ns=int(request["slow_wait_max_ms"] * NS_PER_MS)
    )
    stream = SingleStream(
        call, singles, probe, n_windows=request["n_visits"], **_window_ns(request["latency"])
    )
    stream.warm_up(max_ns=request["warm_up_max_ms"] * NS_PER_MS)
    reset_peak()
    start = read_memory()
    stream.time_window()
    result["latency"] = {"peak_memory_mib": memory.peak_mib(start)}
    result["batches"] = _offline(call, pool, request, memory, Meters(probe, device))
    # Last, as looking takes memory itself; once a measurement, as it takes 5–10 ms.
    result["files_mib"] = request["files_mib"] or memory.files_mib()
    result["device_reasons"] = device.reasons
    return stream, probe, result


def _resize(rows: Rows, n_rows: int) -> Rows:
    if len(rows) >= n_rows:
        return np.array(rows[:n_rows], dtype=np.float32)
    return np.resize(rows, (n_rows, rows.shape[1])).astype(np.float32, copy=False)


def _load(open_model: Callable[[], Call], row: Rows, memory: MemoryMeter) -> tuple[Call, Json]:
    meter = PhaseMeter()
    start_ns = time.perf_counter_ns()
    call = open_model()
    opened_ns = time.perf_counter_ns()
    call(row)
    answered_ns = time.perf_counter_ns()
    phase = meter.read()
    loaded_mib = memory.loaded_mib()
    now = read_memory()
    return call, phase | {
        "load_time_ms": (answered_ns - start_ns) / NS_PER_MS,
        "first_call_ms": (answered_ns - opened_ns) / NS_PER_MS,
        "memory_mib": loaded_mib,
        "peak_memory_mib": loaded_mib + now.peak_mib - now.resident_mib,
    }


def _overhead_ns(singles: list[Rows]) -> float:
    samples = time_calls(
        lambda row: row, singles, min_calls=N_OVERHEAD_CALLS, min_ns=0, max_ns=10 * NS_PER_MS
    )
    return float(np.median(samples))


def _window_ns(window: Json) -> dict[str, Any]:
    return {
        "min_calls": window["min_calls"],
        "min_ns": int(window["min_ms"] * NS_PER_MS),
        "max_ns": int(window["max_ms"] * NS_PER_MS),
    }


def _offline(
    call: Call, pool: Rows, request: Json, memory: MemoryMeter, meters: Meters
) -> list[Json]:
    results: list[Json] = []
    max_call_ns = request["batch"]["max_call_ms"] * NS_PER_MS
    call_ns_per_row = 0.0
    for batch_size in request["batch_sizes"]:
        if results and call_ns_per_row * batch_size > max_call_ns:
            break  # one call alone would take too long; the smaller sizes stand
        inputs = batches(pool, batch_size)
        first_ns, peak_mib = _first_batch(call, inputs[0], memory)
        call_ns_per_row = first_ns / batch_size
        peak_mib = max([peak_mib, *(result["peak_memory_mib"] for result in results)])
        timed = _time_batch_size(call, inputs, request["batch"], meters)
        results.append(timed | {"peak_memory_mib": peak_mib})
    return results


def _first_batch(call: Call, batch: Rows, memory: MemoryMeter) -> tuple[int, float]:
    """Answer one batch, held as a server would hold it; return its time and memory peak."""
    reset_peak()
    start = read_memory()
    start_ns = time.perf_counter_ns()
    call(batch.copy())
    return time.perf_counter_ns() - start_ns, memory.peak_mib(start)


def _time_batch_size(call: Call, inputs: list[Rows], window: Json, meters: Meters) -> Json:
    """Time one batch size, once more when the core was slow."""
    probe = meters.probe
    before_ns = probe.await_fast()
    for _ in range(2):
        meters.device.start()
        meter = PhaseMeter()
        timing = time_batches(call, inputs, **_window_ns(window))
        phase = meter.read() | meters.device.stop()
        after_ns = probe.time_ns()
        slowest_ns = max(before_ns, after_ns)
        if not probe.is_slow_at(slowest_ns):
            break
        before_ns = after_ns
    return phase | {
        "batch_size": timing.batch_size,
        "rows_per_s": timing.rows_per_s,
        "n_calls": timing.n_calls,
        "probe_ns": slowest_ns,
    }


def predict(factory: Callable[..., Callable[[], Call]], request: Json) -> Json:
    """Answer all rows, so that quality can be judged in the serving runtime.

    Args:
        factory: As for :func:`measure`.
        request: ``arguments``, ``rows`` and ``answers`` (path of the .npy to write).
    """
    rows = np.load(request["rows"], mmap_mode="r")
    call: Any = factory(**request["arguments"])()
    parts = [
        np.asarray(call(np.array(rows[i : i + N_PREDICT_ROWS])), dtype=np.float32)
        for i in range(0, len(rows), N_PREDICT_ROWS)
    ]
    np.save(request["answers"], np.concatenate(parts))
    return {"n_rows": len(rows)}


def run_once(factory: Callable[..., Callable[[], Call]], request: Json) -> Json:
    """Answer one row and one batch: does the model run at all under the limits set?

    Args:
        factory: As for :func:`measure`.
        request: ``arguments``, ``rows`` and ``batch_size``.
    """
    pool = _resize(np.load(request["rows"], mmap_mode="r"), request["batch_size"])
    call = factory(**request["arguments"])()
    call(pool[:1])
    call(pool)
    return {}


def record(factory: Callable[..., Callable[[], Call]], request: Json) -> Json:
    """Time calls for a fixed time and keep them all, so that measuring rules can be compared.

    Args:
        factory: As for :func:`measure`.
        request: ``arguments``, ``rows``, ``warm_up_max_ms``, ``seconds`` and ``samples`` (path of
            the .npz to write: ``samples_ns``, and ``probe_ns`` beside each call).
    """
    pool = _resize(np.load(request["rows"], mmap_mode="r"), N_ROTATING_ROWS)
    singles = [pool[i : i + 1] for i in range(N_ROTATING_ROWS)]
    call = factory(**request["arguments"])()
    warm_up(call, singles, max_ns=request["warm_up_max_ms"] * NS_PER_MS)
    probe = SpeedProbe(None)
    window_ns = int(request["seconds"] * NS_PER_S)
    blocks = time_blocks(
        call, singles, probe=probe, min_calls=1, min_ns=window_ns, max_ns=window_ns
    )
    np.savez(
        request["samples"],
        samples_ns=np.concatenate([block.samples_ns for block in blocks]),
        probe_ns=np.repeat([b.probe_ns for b in blocks], [len(b.samples_ns) for b in blocks]),
    )
    return {"probe_looks_ns": list(probe.looks_ns)}
