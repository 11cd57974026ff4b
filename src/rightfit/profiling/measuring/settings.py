"""How thoroughly to measure: the settings of one preset."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rightfit.profiling.worker.latency import calls_to_hold

P99 = 0.99
# A process that takes so much longer than others of its model hangs.
TIMES_SEEN = 20
LEAST_LIMIT_S = 30.0


class ServerSettings(BaseModel):
    """Serving requests that arrive at random."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_processes: int = Field(ge=0)  # fresh processes; 0: not measured
    max_s: float = Field(gt=0)  # of one process
    rate_per_s: float = Field(gt=0)  # at which latency_under_load_p99_ms is measured
    p99_limit_ms: float = Field(gt=0)  # which max_rate_per_s must meet
    n_requests: int = Field(ge=662)  # of all processes at each rate: what a p99 needs
    rate_error_pct: float = Field(gt=0)  # of a process' max_rate_per_s, small enough to end with
    seed: int

    @property
    def n_own_requests(self) -> int:
        """Requests of one process at each rate: its share, and what a p99 of its own needs."""
        return max(calls_to_hold(P99), math.ceil(self.n_requests / max(1, self.n_processes)))


class MeasuringSettings(BaseModel):
    """Windows, caps and precision of the measurement of one serving configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    screening_processes: int = Field(ge=1)  # fresh processes before hopeless ones are left alone
    min_processes: int = Field(ge=1)  # fresh processes before stopping is considered
    max_processes: int = Field(ge=1)
    max_s: float = Field(gt=0)  # no further process is started after this time of measuring
    p50_width_pct: float = Field(gt=0)  # half width of the interval that is narrow enough
    p95_width_pct: float | None = Field(gt=0)  # null: the p95 does not keep measuring going
    shared_error_pct: float = Field(ge=0, lt=100)  # of times, that all processes may share
    warm_up_max_ms: float = Field(gt=0)
    n_visits: int = Field(ge=1)  # in turns, in which a process is timed; they share what follows
    latency_min_calls: int = Field(ge=1)  # of one process
    latency_min_ms: float = Field(gt=0)
    latency_max_ms: float = Field(gt=0)
    batch_sizes: tuple[int, ...] = Field(min_length=1)
    batch_min_ms: float = Field(gt=0)
    batch_max_ms: float = Field(gt=0)
    batch_max_call_ms: float = Field(gt=0)  # a larger batch is not tried when a call lasts longer
    max_delay_share: float = Field(gt=0)  # run-queue delay / wall time of an undisturbed window
    max_slow_share: float = Field(gt=0, le=1)  # calls on a slow core of an undisturbed window
    slow_wait_max_ms: float = Field(ge=0)  # of one process, for a slow core to become fast
    max_retries: int = Field(ge=0)  # disturbed processes measured again
    max_busy_cores: float = Field(gt=0)  # by others, when waiting for quiet
    max_quiet_wait_s: float = Field(ge=0)
    quiet_look_s: float = Field(ge=0.05)
    answer_max_s: float = Field(gt=0)  # of a measuring process for one answer; it is killed then
    server: ServerSettings
    tries_tiers: bool  # run under the memory of the smallest tier; else its fit is computed

    @property
    def key(self) -> dict[str, object]:
        """What figures depend on, as JSON types: all but the time at which a process is killed."""
        return self.model_dump(mode="json", exclude={"answer_max_s"})

    def limit_s(self, seen_s: float | None) -> float:
        """Return how long a measuring process may take for an answer.

        Args:
            seen_s: Longest that a process of the same model took; ``None`` before the first.
        """
        if seen_s is None:
            return self.answer_max_s
        return min(self.answer_max_s, max(LEAST_LIMIT_S, TIMES_SEEN * seen_s))

    @model_validator(mode="after")
    def _check_order(self) -> MeasuringSettings:
        faults = [
            f"{low}={getattr(self, low)} exceeds {high}={getattr(self, high)}"
            for low, high in (
                ("screening_processes", "min_processes"),
                ("min_processes", "max_processes"),
                ("latency_min_ms", "latency_max_ms"),
                ("batch_min_ms", "batch_max_ms"),
            )
            if getattr(self, low) > getattr(self, high)
        ]
        if list(self.batch_sizes) != sorted(set(self.batch_sizes)) or self.batch_sizes[0] < 1:
            faults.append(f"batch_sizes must rise from 1 or more, but got {self.batch_sizes}")
        if faults:
            raise ValueError("; ".join(faults))
        return self
