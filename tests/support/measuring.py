"""Short measurements for tests."""

from __future__ import annotations

from typing import Any

from rightfit.profiling.measuring.bench import Subject
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.worker_pool import Worker, WorkerKind, WorkerPool

SETTINGS: dict[str, Any] = {
    "screening_processes": 1,
    "min_processes": 2,
    "max_processes": 3,
    "max_s": 20,
    "p50_width_pct": 10,
    "p95_width_pct": None,
    "shared_error_pct": 0,
    "warm_up_max_ms": 20,
    "n_visits": 1,
    "latency_min_calls": 20,
    "latency_min_ms": 2,
    "latency_max_ms": 400,
    "batch_sizes": (4, 32),
    "batch_min_ms": 2,
    "batch_max_ms": 50,
    "batch_max_call_ms": 200,
    "max_delay_share": 1000,  # others may use the machine while tests run
    "max_slow_share": 1,
    "slow_wait_max_ms": 0,
    "max_retries": 0,
    "max_busy_cores": 100,
    "max_quiet_wait_s": 0,
    "quiet_look_s": 0.05,
    "server": {
        "n_processes": 0,
        "max_s": 1,
        "rate_per_s": 200,
        "p99_limit_ms": 50,
        "n_requests": 700,
        "rate_error_pct": 3,
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


def known_load(**arguments: float) -> Subject:
    costs = {"sleep_ms": 0.0, "burn_ms": 0.0, "allocate_mib": 0.0, "n_classes": 3}
    return Subject(
        label="known load",
        kind=WorkerKind(imports=(), n_threads=1),
        factory="rightfit.profiling.known_load:open_known_load",
        arguments=costs | arguments,
    )
