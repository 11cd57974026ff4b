"""A resource profile: metrics, intervals, and why a metric is missing; as a row of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rightfit.profiling.intervals import Interval
from rightfit.profiling.metrics import INTERVAL_COLUMNS, METRICS
from rightfit.profiling.worker.process import Json

if TYPE_CHECKING:
    import polars as pl


class Profile:
    """A resource profile under construction.

    ``values`` holds metric and interval columns, ``reasons`` why a metric is null, ``how`` what
    else is worth knowing about the measurement, ``facts`` the columns that are no metrics.
    """

    def __init__(self) -> None:
        self.values: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}
        self.how: Json = {}
        self.facts: Json = {
            "best_batch_size": None,
            "n_latency_samples": None,
            "disturbed": None,
        }

    def set(self, column: str, value: float) -> None:
        """Set a value of which no interval is known."""
        self.values[column] = float(value)

    def set_interval(self, column: str, interval: Interval) -> None:
        """Set a value and the ends of its interval."""
        self.values[column] = interval.value
        self.values[f"{column}_low"] = interval.low
        self.values[f"{column}_high"] = interval.high

    def miss(self, columns: Sequence[str], reason: str) -> None:
        """Leave columns null and say why."""
        self.values |= dict.fromkeys(columns)
        self.reasons |= dict.fromkeys(columns, reason)


def profile_row(keys: Mapping[str, Any], profile: Profile) -> Json:
    """Return a profile as a row, every metric column present.

    Args:
        keys: Columns that say what was measured.
        profile: What was found.

    Raises:
        ValueError: If a metric is missing without a reason, or an interval is unknown to the
            table.
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
        **keys,
        **{column: profile.values[column] for column in metrics},
        **{column: profile.values.get(column) for column in INTERVAL_COLUMNS},
        **profile.facts,
        "null_reasons": json.dumps(profile.reasons, sort_keys=True),
        "measured_how": json.dumps(profile.how, sort_keys=True),
    }


def tabulate_profiles(rows: Sequence[Json]) -> pl.DataFrame:
    """Return profiles as a table whose columns and types do not depend on its content."""
    import polars as pl

    schema: dict[str, Any] = {
        **dict.fromkeys(("dataset", "model", "candidate", "runtime"), pl.String),
        "n_threads": pl.Int64,
        "device": pl.String,
        **{metric.column: pl.Float64 for metric in METRICS},
        "min_hardware_tier_name": pl.String,
        "best_batch_size": pl.Int64,
        "n_latency_samples": pl.Int64,
        "disturbed": pl.Boolean,
        "environment_id": pl.String,
        **dict.fromkeys(INTERVAL_COLUMNS, pl.Float64),
        "null_reasons": pl.String,
        "measured_how": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)
