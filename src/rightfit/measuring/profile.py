"""A resource profile: every measured metric of one candidate in one serving configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, cast

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import from_plain
from rightfit._core.spelling import name_some, suggest
from rightfit._core.strict_model import MAX_SIZE
from rightfit._core.typed_tables import table_schema
from rightfit.data.request_path import MODEL
from rightfit.measuring.interval import Interval
from rightfit.measuring.metrics import (
    INTERVAL_COLUMNS,
    METRICS,
    METRICS_BY_COLUMN,
    Figure,
    Metric,
    MetricTable,
)
from rightfit.measuring.serving import Serving
from rightfit.measuring.throughput_curve import NO_CURVE, CurvePoint, ThroughputCurve
from rightfit.measuring.worker.results import PARTS, LimitTrial, ServerResult


@dataclass(frozen=True)
class LoadTried:
    """The random load that a model was served under."""

    rate_per_s: float
    utilisation: float
    processes: tuple[ServerResult, ...]


@dataclass(frozen=True, kw_only=True)
class MeasuredHow:
    """How a profile was measured, over the processes that count; ``None``: it was not timed."""

    preset: str
    devices: tuple[str, ...]  # of the measuring machine
    n_processes: int | None = None
    settled: str | None = None  # why measuring ended; None: it has not
    others_cores: float | None = None  # that other processes used meanwhile, most
    limits: tuple[LimitTrial, ...] = ()
    measured_s: float | None = None  # of all rounds
    level_error_pct: float | None = None  # of the machine's usual speed, which intervals leave out
    n_runs_seen: int | None = None  # on this machine, that it was estimated from
    slowdown: float | None = None  # times of the reference meanwhile / its usual ones
    server: LoadTried | None = None
    throughput_curve: tuple[CurvePoint, ...] = ()  # by rising batch size
    cost_class: str | None = None  # fingerprint of the served graph without its weights
    twins: tuple[str, ...] = ()  # candidates of that class whose samples its costs rest on, too
    unlike: tuple[str, ...] = ()  # candidates of that class whose samples contradict its own

    @property
    def sharing(self) -> str:
        """With which candidates it shares its costs, in words; empty: with none."""
        if self.unlike:
            return (
                f"costs estimated apart from {name_some(self.unlike)}: the same graph with other "
                "weights, but the samples contradict each other"
            )
        return describe_twins(self.twins)


def describe_twins(twins: Sequence[str]) -> str:
    """Say that candidates of the same graph share their costs; empty: there is none.

    >>> describe_twins(["linear-000"])
    'costs estimated together with linear-000: the same graph with other weights'
    """
    if not twins:
        return ""
    return f"costs estimated together with {name_some(twins)}: the same graph with other weights"


LEVEL_ERROR = "level_error_pct"  # half-width of what all times of a run share
FINAL_COLUMNS = ("final_quality_raw", "final_quality_raw_low", "final_quality_raw_high")
PREDICTIONS = "predictions_sha256"  # hash that the predictions of a profile are stored by
PART_COLUMNS = tuple(f"{part}_ms" for part in PARTS)
"""What each part of a request takes, beside the median latency, which is feeding and graph."""

REASONS_OF = (*METRICS_BY_COLUMN, *PART_COLUMNS, "final_quality_raw")
"""Columns that ``null_reasons`` may speak of."""

POSSIBLE = {
    **{name: metric.values for name, metric in METRICS_BY_COLUMN.items()},
    "final_quality_raw": "any",
    **dict.fromkeys(PART_COLUMNS, "not negative"),
    LEVEL_ERROR: "not negative",
}
"""Which values are possible, by column of figures."""

HIGHEST = {"quality": 1, "gpu_util_pct": 100}

NO_PARTS = "requests are encoded rows, or were not measured"
NOT_KEPT = Figure(MetricTable.quality_raw, None, reason="no rows were kept for it")


@dataclass
class ProfileFacts:
    """What a resource profile says beside its figures.

    Args:
        dataset: Name of the rows it answered.
        model: Its family, or the name it was given.
        candidate: Its name, unique within the dataset.
        serving: How it was served.
        environment_id: Fingerprint of the machine and its libraries.
        how: How it was measured; ``None`` where nothing was.
        hardware_tier: Smallest tier it runs on; ``None``: not known, or it runs on none.
        best_batch_size: Rows a call of the throughput.
        n_latency_samples: Calls of one row that were timed.
        disturbed: Whether another process took the cores while it was timed; ``None``: not known.
        quality_metric: What its raw quality is called.
        model_sha256: SHA-256 (hex) of the measured model's weights; ``None``: not known.
        graph_sha256: SHA-256 (hex) of the ONNX file that answered; ``None``: none did.
    """

    dataset: str = ""
    model: str = ""
    candidate: str = ""
    serving: Serving = field(default_factory=lambda: Serving("onnx", 1))
    environment_id: str = ""
    how: MeasuredHow | None = None
    hardware_tier: str | None = None
    best_batch_size: int | None = None
    n_latency_samples: int | None = None
    disturbed: bool | None = None
    quality_metric: str = ""
    model_sha256: str | None = None
    graph_sha256: str | None = None


@dataclass(repr=False)
class Profile(ProfileFacts, MetricTable):
    """Every measured metric of one candidate in one serving configuration.

    Each metric is an attribute, such as ``profile.latency_p95_ms``, and an item, such as
    ``profile["latency_p95_ms"]``: a :class:`Figure` with its interval, or with the reason why it
    was not measured. For the other attributes see :class:`ProfileFacts`.

    Args:
        figures: All metrics, by column.
        parts: What reading a request, feeding the graph, the graph and writing the answer take, by
            column; of the median latency are feeding and the graph.
        final_quality: Raw quality on test rows that were kept aside (``evaluation.final_share``).
    """

    figures: Mapping[str, Figure] = field(default_factory=dict)
    parts: Mapping[str, Figure] = field(default_factory=dict)
    final_quality: Figure = NOT_KEPT

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Profile:
        """Read a row of ``resource_profiles``; a column that it lacks counts as not measured.

        Raises:
            ValueError: If its ``measured_how`` is of another form.
        """
        cells = cast("Mapping[str, None]", row)  # of mixed kinds; the table's schema holds them
        reasons: Mapping[str, str] = cells.get("null_reasons") or {}
        how = cells.get("measured_how")
        columns = [fact.name for fact in fields(ProfileFacts) if fact.name in profiles_schema()]
        facts: dict[str, Any] = {"quality_metric": "quality"} | {
            name: cells[name] for name in columns if cells.get(name) is not None
        }

        def read(metric: Metric, column: str, unknown: str) -> Figure:
            value = cells.get(column)
            reason = "" if value is not None else reasons.get(column) or unknown
            ends = cells.get(f"{column}_low"), cells.get(f"{column}_high")
            name = facts["quality_metric"] if metric is MetricTable.quality_raw else ""
            return Figure(metric, value, *ends, reason=reason, name=name)

        return cls(
            **facts,
            serving=Serving(
                str(row["runtime"]),
                cast("int", row["n_threads"]),
                str(row["device"]),
                cells.get("request_path") or MODEL,
            ),
            how=None if how is None else from_plain(MeasuredHow, how),
            hardware_tier=cells.get("min_hardware_tier_name"),
            figures={
                metric.column: read(metric, metric.column, metric.null_reason or "it is not known")
                for metric in METRICS
            },
            parts={
                column: read(MetricTable.latency_p50_ms, column, NO_PARTS)
                for column in PART_COLUMNS
            },
            final_quality=read(MetricTable.quality_raw, "final_quality_raw", NOT_KEPT.reason),
        )

    def __getitem__(self, metric: str) -> Figure:
        """Return the figure of a metric by its column.

        Raises:
            RightfitError: If there is no such metric.
        """
        if metric not in self.figures:
            raise RightfitError(
                f"There is no metric {metric!r}{suggest(metric, self.figures)}; metrics: "
                f"{', '.join(METRICS_BY_COLUMN)}."
            )
        return self.figures[metric]

    def __repr__(self) -> str:
        head = f"Profile of {self.candidate} ({self.serving.label}) on {self.dataset}"
        if self.disturbed:
            head += ", disturbed: another process took the cores while it was timed"
        width = max((len(figure.metric.label) for figure in self.measured()), default=0)
        lines = [f"  {figure.metric.label:{width}}  {figure}" for figure in self.measured()]
        if self.how is not None and self.how.sharing:
            lines.append(f"  {self.how.sharing}")
        return "\n".join([head, *lines])

    @property
    def throughput_curve(self) -> ThroughputCurve:
        """Throughput, memory and what else depends on it at each batch size that was timed.

        Empty, with the reason, where nothing was timed, or before batch sizes had figures each.
        """
        points = () if self.how is None else self.how.throughput_curve
        reason = "" if points else self.throughput_rows_per_s.reason or NO_CURVE
        return ThroughputCurve(points, self.best_batch_size, reason)

    def measured(self) -> Iterator[Figure]:
        """Yield the figures that were measured, in the order of the metric table."""
        return (figure for figure in self.figures.values() if figure.value is not None)

    def missing(self) -> dict[str, list[Metric]]:
        """Return the metrics that were not measured, by the reason."""
        by_reason: dict[str, list[Metric]] = {}
        for figure in self.figures.values():
            if figure.value is None:
                by_reason.setdefault(figure.reason, []).append(figure.metric)
        return by_reason


@dataclass
class ProfileBuilder(ProfileFacts):
    """A resource profile under construction: a row of the table of profiles.

    Args:
        values: Metrics, ends of intervals, and the quality on test rows that were kept aside, which
            no application may ask for; by column.
        reasons: Why a metric is null, by its column.
        quality_deviations: How the quality deviates row by row, for comparisons in pairs.
        predictions_sha256: Hash that its predictions for the test rows are stored by.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    quality_deviations: str | None = None
    predictions_sha256: str | None = None

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

    def build_row(self) -> dict[str, object]:
        """Return the profile as a row, every metric column present.

        Raises:
            ValueError: If a metric is missing without a reason, or an interval is unknown to the
                metric table.
        """
        unexplained = [
            column
            for column in METRICS_BY_COLUMN
            if self.values.get(column) is None and column not in self.reasons
        ]
        columns = profiles_schema()
        unknown = sorted(set(self.values) - set(columns))
        if unexplained or unknown:
            raise ValueError(
                f"Metrics missing without a reason: {unexplained}; columns without a place: "
                f"{unknown}."
            )
        return {
            **dict.fromkeys(columns),
            **{name: value for name, value in vars(self).items() if name in columns},
            **asdict(self.serving),
            **self.values,
            "quality_metric": self.quality_metric or None,
            "min_hardware_tier_name": self.hardware_tier,
            LEVEL_ERROR: None if self.how is None else self.how.level_error_pct,
            "null_reasons": {column: self.reasons.get(column) for column in REASONS_OF},
            "measured_how": None if self.how is None else asdict(self.how),
        }


def tabulate_profiles(profiles: Iterable[ProfileBuilder]) -> pl.DataFrame:
    """Return profiles as a table whose columns and types do not depend on its content."""
    return pl.DataFrame([profile.build_row() for profile in profiles], schema=profiles_schema())


@cache
def profiles_schema() -> Mapping[str, Any]:
    """Return the columns of ``resource_profiles`` with their types."""
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
        LEVEL_ERROR: pl.Float64,
        **{f"{name}{end}": pl.Float64 for name in PART_COLUMNS for end in ("", "_low", "_high")},
        **dict.fromkeys(FINAL_COLUMNS, pl.Float64),
        "quality_deviations": pl.String,
        "quality_metric": pl.String,
        "model_sha256": pl.String,
        "graph_sha256": pl.String,
        PREDICTIONS: pl.String,
        "environment_id": pl.String,
        **dict.fromkeys(INTERVAL_COLUMNS, pl.Float64),
        "null_reasons": pl.Struct(dict.fromkeys(REASONS_OF, pl.String)),
        "measured_how": pl.Struct(table_schema(MeasuredHow)),
    }


def find_impossible(column: str, values: pl.Series, *, is_end: bool = False) -> str:
    """Say what values of a column must be, where nothing can have measured them.

    Args:
        column: One of ``POSSIBLE``.
        values: Floats in the column's unit; null: not measured.
        is_end: Whether they are ends of intervals. These, and errors, have no bound, as a few
            disturbed processes tell little; ends may be 0, and are no counts.

    Returns:
        The end of a sentence; empty where all are possible.

    >>> find_impossible("gpu_util_pct", pl.Series([101.0]))
    'must lie between 0 and 100'
    >>> find_impossible("quality_raw", pl.Series([-2.0]))
    ''
    """
    metric, possible = METRICS_BY_COLUMN.get(column), POSSIBLE[column]
    if not values.is_finite().all():
        return "must hold finite numbers; what was not measured is null"
    if column in HIGHEST and not values.drop_nulls().is_between(0, HIGHEST[column]).all():
        return f"must lie between 0 and {HIGHEST[column]}"
    if possible != "any" and (values < 0).any():
        return "must not be negative"
    if is_end or column == LEVEL_ERROR:
        return ""
    if possible != "any" and (values > MAX_SIZE).any():
        return f"must be {MAX_SIZE:g} at most"
    if possible == "positive" and (values == 0).any():
        return "must not be 0; what was not measured is null"
    if metric is not None and metric.is_count and (values != values.round()).any():
        return "must hold whole numbers"
    return ""


def complete_columns(profiles: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of ``resource_profiles`` that a table lacks, as not measured."""
    schema = profiles_schema()
    lacking = [name for name in schema if name not in profiles.columns]
    return profiles.with_columns(pl.lit(None, schema[name]).alias(name) for name in lacking)
