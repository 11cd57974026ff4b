"""How thoroughly to measure: the settings of one preset."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from rightfit._core.strict_model import MAX_MS, BatchSize, Seed, StrictModel
from rightfit.measuring.worker.latency import P99, calls_to_hold

MAX_MEASURING_S = 24 * 3_600  # of one configuration, a day
MAX_REPEATS = 10_000  # fresh processes of one measurement

Repeats = Annotated[int, Field(ge=1, le=MAX_REPEATS)]
Ms = Annotated[float, Field(gt=0, le=MAX_MS)]
MeasuringTime = Annotated[float, Field(gt=0, le=MAX_MEASURING_S)]  # in seconds
Width = Annotated[float, Field(gt=0, le=1_000)]  # of an interval, in percent


class ServerSettings(StrictModel):
    """Serving requests that arrive at random."""

    n_processes: int = Field(ge=0, le=MAX_REPEATS)  # fresh processes; 0: not measured
    max_s: MeasuringTime  # of one process
    rate_per_s: float = Field(gt=0, le=1e6)  # at which latency_under_load_p99_ms is measured
    n_requests: int = Field(ge=662, le=1_000_000)  # of all processes, for a p99
    seed: Seed  # of the times at which requests arrive

    @property
    def n_own_requests(self) -> int:
        """Requests of one process: its share, and at least as many as a p99 of its own needs."""
        return max(calls_to_hold(P99), math.ceil(self.n_requests / max(1, self.n_processes)))


class MeasuringSettings(StrictModel):
    """Slices, caps and precision of the measurement of one serving configuration."""

    screening_processes: Repeats  # before those that nobody could choose are left alone
    min_processes: Repeats  # fresh processes before stopping is considered
    max_processes: Repeats  # most fresh processes of a profile
    max_s: MeasuringTime  # no further process is started after this time of measuring
    p50_width_pct: Width  # half width of the interval that is narrow enough
    p95_width_pct: Width | None  # null: the p95 does not keep measuring going
    level_error_pct: float = Field(ge=0, lt=100)  # of absolute times on a machine seen once
    slice_ms: Ms  # of calls in a row, before another process has its turn
    warm_up_max_ms: Ms  # longest warm-up of a process
    latency_min_calls: int = Field(ge=1, le=10_000_000)  # of one process
    latency_min_ms: Ms  # least time of timing single calls
    latency_max_ms: Ms  # most time of timing single calls
    # rows of a call that are tried for the throughput
    batch_sizes: tuple[BatchSize, ...] = Field(min_length=1)
    batch_min_ms: Ms  # of timing, in one process, the batch sizes that may be the best
    batch_max_call_ms: Ms  # a larger batch is not tried when a call lasts longer
    answer_max_s: MeasuringTime  # of a measuring process for one answer; it is killed then
    server: ServerSettings
    tries_tiers: bool  # run under the memory of the smallest tier; else its fit is computed

    @property
    def key(self) -> dict[str, object]:
        """What figures depend on, as JSON types: not when a process is killed."""
        return self.model_dump(mode="json", exclude={"answer_max_s"})

    @model_validator(mode="after")
    def _check_order(self) -> MeasuringSettings:
        faults = [
            f"{low}={getattr(self, low)} exceeds {high}={getattr(self, high)}"
            for low, high in (
                ("screening_processes", "min_processes"),
                ("min_processes", "max_processes"),
                ("latency_min_ms", "latency_max_ms"),
            )
            if getattr(self, low) > getattr(self, high)
        ]
        if list(self.batch_sizes) != sorted(set(self.batch_sizes)):
            faults.append(f"batch_sizes must rise, but got {self.batch_sizes}")
        if faults:
            raise ValueError("; ".join(faults))
        return self
