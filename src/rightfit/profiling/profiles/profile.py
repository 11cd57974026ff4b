"""A resource profile: metrics, intervals, and why a metric is missing; as a row of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rightfit.profiling.intervals import Interval
from rightfit.profiling.metrics import INTERVAL_COLUMNS, METRICS
from rightfit.request_path.paths import MODEL, RequestPath

if TYPE_CHECKING:
    import polars as pl

NOT_COMPARED = "requests are encoded rows, or no application could choose it"
FINAL_COLUMNS = ("final_quality_raw", "final_quality_raw_low", "final_quality_raw_high")

Row = dict[str, float | str | bool | None]


@dataclass(frozen=True)
class ProfileKeys:
    """Columns that say what was measured, and where."""

    dataset: str
    model: str
    candidate: str
    runtime: str
    n_threads: int
    device: str
    environment_id: str
    min_hardware_tier_name: str | None
    request_path: RequestPath = MODEL


@dataclass
class Profile:
    """A resource profile under construction.

    Args:
        values: Metric and interval columns.
        reasons: Why a metric is null, by its column.
        how: What else is worth knowing about the measurement, JSON types.
        best_batch_size: Rows a call of the throughput.
        n_latency_samples: Calls of one row that were timed.
        disturbed: Whether another process took the cores while timing.
        encoding_ms: Part of the median latency that encoding takes; ``None``: not known.
        final_quality_raw: On test rows that nothing was chosen by, with the ends of its interval;
            ``None`` where there are no such rows. No application may ask for it.
        quality_deviations: How the quality deviates row by row, for comparisons in pairs.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    best_batch_size: int | None = None
    n_latency_samples: int | None = None
    disturbed: bool | None = None
    encoding_ms: float | None = None
    final_quality_raw: tuple[float, float, float] | None = None
    quality_deviations: str | None = None

    def set(self, column: str, value: float) -> None:
        """Set a value of which no interval is known."""
        self.values[column] = float(value)

    def set_interval(self, column: str, interval: Interval) -> None:
        """Set a value and the ends of its interval."""
        self.values[column] = interval.value
        self.values[f"{column}_low"] = interval.low
        self.values[f"{column}_high"] = interval.high

    def set_encoding(self, encoding_ms: float | None) -> None:
        """Set what encoding takes of the median latency, or note that it was not compared."""
        self.encoding_ms = encoding_ms
        if encoding_ms is None:
            self.reasons["encoding_ms"] = NOT_COMPARED

    def miss(self, columns: Sequence[str], reason: str) -> None:
        """Leave columns null and say why."""
        self.values |= dict.fromkeys(columns)
        self.reasons |= dict.fromkeys(columns, reason)


def profile_row(keys: ProfileKeys, profile: Profile) -> Row:
    """Return a profile as a row, every metric column present.

    Raises:
        ValueError: If a metric is missing without a reason, or an interval is unknown to the
            metric table.
    """
    metrics = [metric.column for metric in METRICS]
    unexplained = [
        column
        for column in metrics
        if profile.values.get(column) is None and column not in profile.reasons
    ]
    unknown = sorted(set(profile.values) - set(metrics) - set(INTERVAL_COLUMNS))
    if unexplained or unknown:
        raise ValueError(
            f"Metrics missing without a reason: {unexplained}; columns without a place: {unknown}."
        )
    return {
        **asdict(keys),
        **{column: profile.values.get(column) for column in (*metrics, *INTERVAL_COLUMNS)},
        "best_batch_size": profile.best_batch_size,
        "n_latency_samples": profile.n_latency_samples,
        "disturbed": profile.disturbed,
        "encoding_ms": profile.encoding_ms,
        **dict(zip(FINAL_COLUMNS, profile.final_quality_raw or (None,) * 3, strict=True)),
        "quality_deviations": profile.quality_deviations,
        "null_reasons": json.dumps(profile.reasons, sort_keys=True),
        "measured_how": json.dumps(profile.how, sort_keys=True),
    }


def tabulate_profiles(profiles: Iterable[tuple[ProfileKeys, Profile]]) -> pl.DataFrame:
    """Return profiles as a table whose columns and types do not depend on its content."""
    import polars as pl

    schema: dict[str, Any] = {
        **dict.fromkeys(("dataset", "model", "candidate", "runtime"), pl.String),
        "n_threads": pl.Int64,
        "device": pl.String,
        "request_path": pl.String,
        **{metric.column: pl.Float64 for metric in METRICS},
        "min_hardware_tier_name": pl.String,
        "best_batch_size": pl.Int64,
        "n_latency_samples": pl.Int64,
        "disturbed": pl.Boolean,
        "encoding_ms": pl.Float64,
        **dict.fromkeys(FINAL_COLUMNS, pl.Float64),
        "quality_deviations": pl.String,
        "environment_id": pl.String,
        **dict.fromkeys(INTERVAL_COLUMNS, pl.Float64),
        "null_reasons": pl.String,
        "measured_how": pl.String,
    }
    return pl.DataFrame([profile_row(keys, one) for keys, one in profiles], schema=schema)
