"""Measuring one model under one serving configuration, process after process, until it is enough.

A measurement is a list of *rounds*: one fresh process each. The first tries all batch sizes, the
others repeat the best one and take over how much of the files it mapped. The state is plain JSON,
so that it can be stored after each round and continued after an interruption.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rightfit.profiling.disturbance import Quiet, read_core_times, wait_for_quiet
from rightfit.profiling.latency import percentile_ns
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.settings import MeasuringSettings
from rightfit.profiling.speed import SpeedProbe
from rightfit.profiling.stopping import is_delayed, is_disturbed, why_settled
from rightfit.profiling.throughput import best_batch_size
from rightfit.profiling.worker import Json
from rightfit.profiling.workers import WorkerKind, WorkerPool

logger = logging.getLogger(__name__)

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
# A process with fewer calls than this keeps them all, so that percentiles it cannot hold alone
# can be read from the calls of all processes together.
MAX_KEPT_CALLS = 700


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Args:
        label: For the log, like ``landsat.forest forest-003 onnx 1 thread``.
        kind: Imports and threads of its measuring process.
        factory: ``module:function`` that returns what opens the model.
        arguments: Arguments of the factory.
    """

    label: str
    kind: WorkerKind
    factory: str
    arguments: Json


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


def measure_round(
    subject: Subject,
    bench: Bench,
    state: Json,
    *,
    run: Callable[[Subject, Bench, Json], Json] | None = None,
    wait: Callable[..., Quiet] = wait_for_quiet,
) -> Json:
    """Measure in one more fresh process.

    A disturbed round earns the measurement one more, up to ``max_retries``. It comes at the
    measurement's next turn: disturbances last tenths of a second, and the others' turns lie
    between. Where others take the cores, a quiet moment is waited for; a machine that stays noisy
    is asked only once.

    Args:
        subject: What to measure.
        bench: Where and how.
        state: State so far, see :func:`new_state`; left as it is.
        run: Measures in a fresh process, given the state.
        wait: Waits for a quiet machine.

    Returns:
        The state with one round more, and ``settled`` or ``error`` when it is over.
    """
    state = state | {"rounds": list(state["rounds"])}
    finished = (run or run_round)(subject, bench, state)
    if not finished["ok"]:
        return state | {"error": finished["error"]}
    state["rounds"].append(finished)
    if is_disturbed(finished, state, bench.settings):
        state["n_retries"] = min(state["n_retries"] + 1, bench.settings.max_retries)
        if not state["is_noisy"] and is_delayed(finished["latency"], bench.settings):
            state["is_noisy"] = not _await_quiet(bench.settings, wait)
    return state | {"settled": why_settled(state, bench.settings)}


def _await_quiet(settings: MeasuringSettings, wait: Callable[..., Quiet]) -> bool:
    return wait(
        max_busy_cores=settings.max_busy_cores,
        max_wait_s=settings.max_quiet_wait_s,
        look_s=settings.quiet_look_s,
    ).is_quiet


def measure_under_load(subject: Subject, bench: Bench, state: Json) -> Json:
    """Serve random arrivals in one more fresh process.

    Returns:
        The state with one entry more under ``server``, or with ``error``.
    """
    settings = bench.settings
    server = settings.server.model_dump(mode="json")
    server["seed"] += len(state["server"])  # other arrivals in each process
    request = request_for(subject, bench) | {
        "task": "serve_under_load",
        "warm_up_max_ms": settings.warm_up_max_ms,
        "server": server,
    }
    with machine_lock(lock_path()):
        answer = bench.pool.get(subject.kind).ask(request)
    if not answer["ok"]:
        return state | {"error": answer["error"]}
    return state | {"server": [*state["server"], answer]}


def predict(subject: Subject, bench: Bench) -> npt.NDArray[np.float32]:
    """Answer all rows in the subject's serving configuration.

    Returns:
        Class probabilities, shape (n_rows, n_classes).

    Raises:
        RuntimeError: If the model cannot be opened or fails.
    """
    answers = bench.folder / "answers.npy"
    request = request_for(subject, bench) | {"task": "predict", "answers": str(answers)}
    with machine_lock(lock_path()):
        answer = bench.pool.get(subject.kind).ask(request)
    if not answer["ok"]:
        raise RuntimeError(f"{subject.label} failed: {answer['error']}")
    probabilities: npt.NDArray[np.float32] = np.load(answers)
    return probabilities


def request_for(subject: Subject, bench: Bench) -> Json:
    """Return what every request to a measuring process holds."""
    return {
        "factory": subject.factory,
        "arguments": subject.arguments,
        "rows": str(bench.rows),
        "memory_limit_mib": None,
    }


def _request(subject: Subject, bench: Bench, state: Json) -> Json:
    settings = bench.settings
    batch_sizes, files_mib = list(settings.batch_sizes), None
    if state["rounds"]:
        first = state["rounds"][0]
        rates = {b["batch_size"]: b["rows_per_s"] for b in first["batches"]}
        batch_sizes, files_mib = [best_batch_size(rates)], first["files_mib"]
    return request_for(subject, bench) | {
        "task": "measure",
        "probe_known_ns": bench.speed.known_ns,
        "slow_wait_max_ms": settings.slow_wait_max_ms,
        "samples": str(bench.folder / "samples.npy"),
        "warm_up_max_ms": settings.warm_up_max_ms,
        "latency": {
            "min_calls": settings.latency_min_calls,
            "min_ms": settings.latency_min_ms,
            "max_ms": settings.latency_max_ms,
        },
        "batch_sizes": batch_sizes,
        "files_mib": files_mib,
        "batch": {
            "min_calls": 1,
            "min_ms": settings.batch_min_ms,
            "max_ms": settings.batch_max_ms,
            "max_call_ms": settings.batch_max_call_ms,
        },
    }


def run_round(subject: Subject, bench: Bench, state: Json) -> Json:
    """Measure in a fresh process.

    Returns:
        What the process found and what the machine did meanwhile; ``ok`` false and ``error`` when
        it failed.
    """
    request = _request(subject, bench, state)
    with machine_lock(lock_path()):
        worker = bench.pool.get(subject.kind)
        before = read_core_times()
        answer = worker.ask(request)
        after = read_core_times()
    if not answer["ok"]:
        return answer
    bench.speed.learn(answer.pop("probe_looks_ns"))
    samples_ns: npt.NDArray[np.int64] = np.load(request["samples"])
    answer |= {
        "percentiles_ns": {str(share): percentile_ns(samples_ns, share) for share in PERCENTILES},
        "kept_ns": samples_ns.tolist() if len(samples_ns) <= MAX_KEPT_CALLS else None,
        "base_resident_mib": worker.hello["base_resident_mib"],
        "base_peak_mib": worker.hello["base_peak_mib"],
        "busy_cores": None,
        "steal_share": None,
    }
    if before is not None and after is not None and after.wall_s > before.wall_s:
        wall_s = after.wall_s - before.wall_s
        answer["busy_cores"] = (after.busy_s - before.busy_s) / wall_s
        answer["steal_share"] = (after.steal_s - before.steal_s) / wall_s
    return answer
