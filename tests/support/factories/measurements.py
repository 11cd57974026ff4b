"""Short measurements for tests."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from rightfit._core.processes.codec import from_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget, OpenRound
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import Worker, WorkerKind, WorkerPool

SETTINGS: dict[str, Any] = {
    "screening_processes": 1,
    "min_processes": 2,
    "max_processes": 3,
    "max_s": 20,
    "p50_width_pct": 10,
    "p95_width_pct": None,
    "level_error_pct": 0,
    "warm_up_max_ms": 20,
    "slice_ms": 1,
    "latency_min_calls": 20,
    "latency_min_ms": 2,
    "latency_max_ms": 400,
    "batch_sizes": (4, 32),
    "batch_min_ms": 2,
    "batch_max_call_ms": 200,
    "answer_max_s": 60,
    "server": {
        "n_processes": 0,
        "max_s": 1,
        "rate_per_s": 200,
        "n_requests": 700,
        "seed": 0,
    },
    "tries_tiers": False,
}


class ClosedPool(WorkerPool):
    """A pool for what must not measure anything."""

    def __init__(self) -> None:
        super().__init__(max_open=0)

    def get(self, kind: WorkerKind) -> Worker:
        raise AssertionError(f"a worker was asked for: {kind}")


def make_settings(**changes: Any) -> MeasuringSettings:
    return MeasuringSettings(**SETTINGS | changes)


def known_load(**arguments: float) -> MeasurementTarget:
    costs = {"sleep_ms": 0.0, "burn_ms": 0.0, "allocate_mib": 0.0, "n_classes": 3}
    return MeasurementTarget(
        label="known load",
        kind=WorkerKind(imports=(), n_threads=1),
        factory="fakes.known_load:open_known_load",
        arguments=costs | arguments,
    )


def run_round(
    subject: MeasurementTarget, bench: MeasurementContext, state: MeasurementState
) -> FinishedRound:
    """Measure in a fresh process, all slices one after the other."""
    process = OpenRound(subject, bench, state)
    for batch_size, n_slices in process.count_slices().items():
        for _ in range(n_slices):
            process.time_slice(batch_size)
    finished = process.finish(block=f"a.{len(state.rounds)}", others_cores=None)
    assert isinstance(finished, FinishedRound), finished
    return finished


class DictStore(dict[str, Any]):
    """Keeps documents in memory, as plain JSON."""

    def __init__(self, **documents: Any) -> None:
        super().__init__(documents)
        self.folder = Path(tempfile.mkdtemp())  # of predictions, which are files
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    get_record = JsonStore.get_record
    put_record = JsonStore.put_record

    def put(self, key: str, document: Any) -> None:
        self[key] = json.loads(json.dumps(document, allow_nan=False))


PHASE: dict[str, Any] = {
    "wall_ms": 20.0,
    "cpu_ms": 20.0,
}
BATCH: dict[str, Any] = PHASE | {
    "batch_size": 64,
    "rows_per_s": 400.0,
    "n_calls": 3,
    "peak_memory_mib": 50.0,
    "gpu_util_pct": None,
    "gpu_memory_mib": None,
    "energy_j": None,
}
# As a round is stored.
STORED_ROUND: dict[str, Any] = {
    "ok": True,
    "load": {"load_time_ms": 40.0, "memory_mib": 11.0, "peak_memory_mib": 12.0},
    "latency": PHASE
    | {
        "n_calls": 60,
        "n_calls_made": 60,
        "peak_memory_mib": 14.0,
    },
    "batches": [BATCH],
    "files_mib": 5.0,
    "device_reasons": {"gpu_util_pct": "served on the CPU", "energy_j": "no counter"},
    "total_ms": 100.0,
    "percentiles_ns": {"0.5": 2e6, "0.95": 3e6, "0.99": None},
    "base_resident_mib": 95.0,
    "base_peak_mib": 105.0,
    "others_cores": 0.0,
    "block": "a.0",
}


def make_round(
    *, latency: dict[str, Any] | None = None, load: dict[str, Any] | None = None, **changes: Any
) -> FinishedRound:
    """Make a round by hand.

    Args:
        latency: Fields of its calls of one row to change.
        load: Fields of its loading to change.
        **changes: Other fields to change, as stored.
    """
    plain = STORED_ROUND | changes
    plain["latency"] = STORED_ROUND["latency"] | (latency or {})
    plain["load"] = STORED_ROUND["load"] | (load or {})
    return from_plain(FinishedRound, plain)
