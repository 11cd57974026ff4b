"""What a measuring process does with its one model: load, warm up, answer rows, answer batches.

The order matters. Loading comes first, on a heap that held no model before. Latency is timed
before any large batch grows the heap. Batch sizes rise, so each memory peak belongs to its size.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.profiling.cpu import mean_cores, read_cpu
from rightfit.profiling.disturbance import delay_share, read_run_delay_ns
from rightfit.profiling.latency import NS_PER_MS, Call, time_calls, warm_up
from rightfit.profiling.memory import Memory, read_memory, reset_peak
from rightfit.profiling.throughput import batches, time_batches

Json = dict[str, Any]
Rows = npt.NDArray[np.float32]

N_ROTATING_ROWS = 1_024
N_PREDICT_ROWS = 1_024  # rows a call when the test split is answered
N_OVERHEAD_CALLS = 500


class PhaseMeter:
    """CPU time, context switches and run-queue delay of one phase, read before and after it."""

    def __init__(self) -> None:
        self._delay_ns = read_run_delay_ns()
        self._cpu = read_cpu()

    def read(self) -> Json:
        """Return what the phase took so far."""
        cpu, delay_ns = read_cpu(), read_run_delay_ns()
        wall_ns = cpu.wall_ns - self._cpu.wall_ns
        return {
            "wall_ms": wall_ns / NS_PER_MS,
            "cpu_ms": (cpu.cpu_ns - self._cpu.cpu_ns) / NS_PER_MS,
            "cores": mean_cores(self._cpu, cpu),
            "delay_share": delay_share(self._delay_ns, delay_ns, wall_ns),
            "n_voluntary_switches": cpu.n_voluntary_switches - self._cpu.n_voluntary_switches,
            "n_involuntary_switches": cpu.n_involuntary_switches - self._cpu.n_involuntary_switches,
        }


class MemoryMeter:
    """Growth of this process' memory since the meter was made, see ``memory.py``."""

    def __init__(self) -> None:
        self.can_reset = reset_peak()
        self._start = read_memory()

    def loaded_mib(self) -> float:
        """Return how much more memory is resident now."""
        return self._growth_mib(read_memory())

    def peak_mib(self, phase_start: Memory) -> float:
        """Return the highest growth since a phase began.

        Args:
            phase_start: Memory read at the phase's start, right after :func:`reset_peak`.
        """
        return self._growth_mib(phase_start) + read_memory().peak_mib - phase_start.resident_mib

    def _growth_mib(self, now: Memory) -> float:
        if now.anonymous_mib is None or self._start.anonymous_mib is None:
            return now.resident_mib - self._start.resident_mib
        return now.anonymous_mib - self._start.anonymous_mib


def measure(factory: Callable[..., Callable[[], Call]], request: Json) -> Json:
    """Measure one model in this process.

    Args:
        factory: Returns what opens the model, see ``worker.open_bundle``.
        request: ``arguments`` of the factory; ``rows`` (path of a .npy of float32 rows);
            ``latency`` and ``batch``, each with ``min_calls``, ``min_ms`` and ``max_ms``;
            ``warm_up_max_ms``; ``batch_sizes``, rising; ``samples`` (path the latencies in
            nanoseconds are written to).

    Returns:
        What each phase took, plain JSON types.
    """
    start_ns = time.perf_counter_ns()
    all_rows = np.load(request["rows"], mmap_mode="r")
    pool = _resize(all_rows, max([N_ROTATING_ROWS, *request["batch_sizes"]]))
    singles = [pool[i : i + 1] for i in range(N_ROTATING_ROWS)]
    open_model = factory(**request["arguments"])
    gc.collect()
    memory = MemoryMeter()
    call, load = _load(open_model, singles[0], memory)
    gc.collect()
    gc.freeze()
    result = {"load": load, "overhead_ns": _overhead_ns(singles)}
    warmed = warm_up(call, singles, max_ns=request["warm_up_max_ms"] * NS_PER_MS)
    result["warm_up"] = {
        "n_calls": warmed.n_calls,
        "ms": warmed.wall_ns / NS_PER_MS,
        "is_steady": warmed.is_steady,
    }
    result["latency"] = _single_stream(call, singles, request, memory)
    result["batches"] = _offline(call, pool, request, memory)
    result["total_ms"] = (time.perf_counter_ns() - start_ns) / NS_PER_MS
    return result


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


def _single_stream(call: Call, singles: list[Rows], request: Json, memory: MemoryMeter) -> Json:
    window = request["latency"]
    reset_peak()
    start = read_memory()
    meter = PhaseMeter()
    samples_ns = time_calls(
        call,
        singles,
        min_calls=window["min_calls"],
        min_ns=window["min_ms"] * NS_PER_MS,
        max_ns=window["max_ms"] * NS_PER_MS,
    )
    phase = meter.read()
    phase["peak_memory_mib"] = memory.peak_mib(start)
    np.save(request["samples"], samples_ns)
    return phase | {"n_calls": len(samples_ns)}


def _offline(call: Call, pool: Rows, request: Json, memory: MemoryMeter) -> list[Json]:
    results: list[Json] = []
    window = request["batch"]
    max_call_ns = window["max_call_ms"] * NS_PER_MS
    call_ns_per_row = 0.0
    for batch_size in request["batch_sizes"]:
        if results and call_ns_per_row * batch_size > max_call_ns:
            break  # one call alone would take too long; the smaller sizes stand
        inputs = batches(pool, batch_size)
        reset_peak()
        start = read_memory()
        first_ns = time.perf_counter_ns()
        call(inputs[0].copy())  # a server holds the batch it answers
        first_ns = time.perf_counter_ns() - first_ns
        peak_mib = memory.peak_mib(start)
        meter = PhaseMeter()
        timing = time_batches(
            call,
            inputs,
            min_calls=window["min_calls"],
            min_ns=window["min_ms"] * NS_PER_MS,
            max_ns=window["max_ms"] * NS_PER_MS,
        )
        call_ns_per_row = first_ns / batch_size
        results.append(
            meter.read()
            | {
                "batch_size": batch_size,
                "rows_per_s": timing.rows_per_s,
                "n_calls": timing.n_calls,
                "peak_memory_mib": max([peak_mib, *(r["peak_memory_mib"] for r in results)]),
            }
        )
    return results


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


TASKS: dict[str, Callable[[Callable[..., Callable[[], Call]], Json], Json]] = {
    "measure": measure,
    "predict": predict,
}
