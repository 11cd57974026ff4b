"""A round of a measurement: one fresh process, timed in one visit or in several.

Between its visits the process sleeps and others have their turn. It is part of no stored state: an
interruption loses the processes that are open, no more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rightfit.profiling.measuring.bench import Bench, Subject, request_for
from rightfit.profiling.measuring.lock import lock_path, machine_lock
from rightfit.profiling.measuring.worker_pool import Worker
from rightfit.profiling.worker.disturbance import CoreTimes, read_core_times
from rightfit.profiling.worker.latency import percentile_ns
from rightfit.profiling.worker.process import Json
from rightfit.profiling.worker.throughput import best_batch_size

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
# A process with fewer calls than this keeps them all, so that percentiles it cannot hold alone
# can be read from the calls of all processes together.
MAX_KEPT_CALLS = 700


class Round:
    """A process of a measurement; the first visit starts it.

    Args:
        subject: What to measure.
        bench: Where and how.
        state: State of the measurement so far.
    """

    def __init__(self, subject: Subject, bench: Bench, state: Json) -> None:
        self._subject = subject
        self._bench = bench
        self._request = _request(subject, bench, state)
        self._worker: Worker | None = None
        self._child: int | None = None
        self._machine: list[Json] = []

    def visit(self) -> Json | None:
        """Have the process timed once more.

        Returns:
            After the last visit, what the process found and what the machine did meanwhile; ``ok``
            false and ``error`` when it failed; ``None`` when visits are left.
        """
        with machine_lock(lock_path()):
            if self._worker is None:
                self._worker = self._bench.pool.get(self._subject.kind)
            before = read_core_times()
            request = self._request if self._child is None else {"child": self._child}
            answer = self._worker.ask(request)
            self._machine.append(_describe_machine(before, read_core_times()))
        self._child = answer.get("child")
        if not answer["ok"]:
            return answer
        self._bench.speed.learn(answer.pop("probe_looks_ns"))
        return None if self._child is not None else self._finish(answer, self._worker.hello)

    def leave(self) -> None:
        """End the process if it is open and its worker lives."""
        if self._worker is None or self._child is None or self._worker.is_closed:
            return
        with machine_lock(lock_path()):  # what it held is given back, which takes a core
            self._worker.ask({"child": self._child, "leaves": True})
        self._child = None

    def _finish(self, answer: Json, hello: Json) -> Json:
        samples_ns: npt.NDArray[np.int64] = np.load(self._request["samples"])
        return answer | {
            "percentiles_ns": {str(p): percentile_ns(samples_ns, p) for p in PERCENTILES},
            "kept_ns": samples_ns.tolist() if len(samples_ns) <= MAX_KEPT_CALLS else None,
            "base_resident_mib": hello["base_resident_mib"],
            "base_peak_mib": hello["base_peak_mib"],
            "busy_cores": _highest(self._machine, "busy_cores"),
            "steal_share": _highest(self._machine, "steal_share"),
        }


def run_round(subject: Subject, bench: Bench, state: Json) -> Json:
    """Measure in a fresh process, all visits one after the other.

    Returns:
        As :meth:`Round.visit` after the last one.
    """
    process = Round(subject, bench, state)
    while (finished := process.visit()) is None:
        continue
    return finished


def _request(subject: Subject, bench: Bench, state: Json) -> Json:
    settings = bench.settings
    batch_sizes, files_mib = list(settings.batch_sizes), None
    if state["rounds"]:
        first = state["rounds"][0]
        rates = {b["batch_size"]: b["rows_per_s"] for b in first["batches"]}
        batch_sizes, files_mib = [best_batch_size(rates)], first["files_mib"]
    return request_for(subject, bench) | {
        "task": "measure",
        "n_visits": settings.n_visits,
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


def _describe_machine(before: CoreTimes | None, after: CoreTimes | None) -> Json:
    if before is None or after is None or not after.wall_s > before.wall_s:
        return {"busy_cores": None, "steal_share": None}
    wall_s = after.wall_s - before.wall_s
    return {
        "busy_cores": (after.busy_s - before.busy_s) / wall_s,
        "steal_share": (after.steal_s - before.steal_s) / wall_s,
    }


def _highest(readings: list[Json], key: str) -> float | None:
    return max((r[key] for r in readings if r[key] is not None), default=None)
