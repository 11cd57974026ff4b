"""Building resource profiles, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rightfit.profiling.estimate import Interval
from rightfit.profiling.metrics import INTERVAL_COLUMNS, METRICS
from rightfit.profiling.profile import NOT_COMPARED, MeasuredHow
from rightfit.profiling.serving import Serving

if TYPE_CHECKING:
    import polars as pl

FINAL_COLUMNS = ("final_quality_raw", "final_quality_raw_low", "final_quality_raw_high")
REASONS_OF = (*(metric.column for metric in METRICS), "encoding_ms", "final_quality_raw")
"""Columns that ``null_reasons`` may speak of."""


@dataclass
class ProfileBuilder:
    """A resource profile under construction: a row of the table of profiles.

    Args:
        dataset: Name of the rows it answered.
        model: Its family, or the name it was given.
        candidate: Its name.
        serving: How it was served.
        environment_id: Fingerprint of the machine and its libraries.
        how: How it was measured; ``None`` where nothing was.
        hardware_tier: Name of the smallest tier it runs on.
        values: Metric and interval columns.
        reasons: Why a metric is null, by its column.
        best_batch_size: Rows a call of the throughput.
        n_latency_samples: Calls of one row that were timed.
        disturbed: Whether another process took the cores while timing.
        encoding_ms: Part of the median latency that encoding takes; ``None``: not known.
        final_quality_raw: On test rows that nothing was chosen by, with the ends of its interval;
            ``None`` where there are no such rows. No application may ask for it.
        quality_deviations: How the quality deviates row by row, for comparisons in pairs.
    """

    dataset: str = ""
    model: str = ""
    candidate: str = ""
    serving: Serving = field(default_factory=lambda: Serving("onnx", 1))
    environment_id: str = ""
    how: MeasuredHow | None = None
    hardware_tier: str | None = None
    values: dict[str, float | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
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

    def build_row(self) -> dict[str, object]:
        """Return the profile as a row, every metric column present.

        Raises:
            ValueError: If a metric is missing without a reason, or an interval is unknown to the
                metric table.
        """
        metrics = [metric.column for metric in METRICS]
        unexplained = [
            column
            for column in metrics
            if self.values.get(column) is None and column not in self.reasons
        ]
        unknown = sorted(set(self.values) - set(metrics) - set(INTERVAL_COLUMNS))
        if unexplained or unknown:
            raise ValueError(
                f"Metrics missing without a reason: {unexplained}; columns without a place: "
                f"{unknown}."
            )
        return {
            "dataset": self.dataset,
            "model": self.model,
            "candidate": self.candidate,
            **asdict(self.serving),
            **{column: self.values.get(column) for column in (*metrics, *INTERVAL_COLUMNS)},
            "min_hardware_tier_name": self.hardware_tier,
            "best_batch_size": self.best_batch_size,
            "n_latency_samples": self.n_latency_samples,
            "disturbed": self.disturbed,
            "encoding_ms": self.encoding_ms,
            **dict(zip(FINAL_COLUMNS, self.final_quality_raw or (None,) * 3, strict=True)),
            "quality_deviations": self.quality_deviations,
            "environment_id": self.environment_id,
            "null_reasons": {column: self.reasons.get(column) for column in REASONS_OF},
            "measured_how": None if self.how is None else asdict(self.how),
        }


def tabulate_profiles(profiles: Iterable[ProfileBuilder]) -> pl.DataFrame:
    """Return profiles as a table whose columns and types do not depend on its content."""
    import polars as pl

    return pl.DataFrame([profile.build_row() for profile in profiles], schema=profiles_schema())


def profiles_schema() -> Mapping[str, Any]:
    """Return the columns of ``resource_profiles`` with their types."""
    import polars as pl

    from rightfit.typed_tables import table_schema

    return {
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
        "null_reasons": pl.Struct(dict.fromkeys(REASONS_OF, pl.String)),
        "measured_how": pl.Struct(table_schema(MeasuredHow)),
    }
