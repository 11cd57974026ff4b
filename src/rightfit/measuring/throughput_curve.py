"""Throughput as a curve: what calls of each batch size reach and cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import NOT_MEASURED
from rightfit._core.spelling import suggest
from rightfit.measuring.metrics import METRICS_BY_COLUMN, Figure

NO_CURVE = "it was measured before batch sizes had figures each; measure again"
OF_BATCHES = tuple(
    column
    for column, metric in METRICS_BY_COLUMN.items()
    if metric.has_batch_size or metric.source == "tiers"
)
"""Metrics whose figures are of calls of many rows, not of one."""


@dataclass(frozen=True)
class CurveFigure:
    """A metric at one batch size, with its 95 % interval, in the metric's unit."""

    column: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CurvePoint:
    """A model at one batch size.

    ``point["throughput_rows_per_s"]`` is the :class:`~rightfit.measuring.metrics.Figure` of a
    metric, with its unit and interval, or with the reason why there is none.

    Args:
        batch_size: Rows a call.
        figures: The metrics that depend on the batch size, where they were measured.
        hardware_tier: Smallest tier that it runs on with such batches; ``None``: none, or unknown.
    """

    batch_size: int
    figures: tuple[CurveFigure, ...]
    hardware_tier: str | None = None

    def __getitem__(self, metric: str) -> Figure:
        """Return the figure of a metric by its column.

        Raises:
            RightfitError: If the metric is of no batch size.
        """
        if metric not in OF_BATCHES:
            raise RightfitError(
                f"There is no metric {metric!r} of a batch size{suggest(metric, OF_BATCHES)}; "
                f"metrics: {', '.join(OF_BATCHES)}."
            )
        row = METRICS_BY_COLUMN[metric]
        for figure in self.figures:
            if figure.column == metric:
                return Figure(row, figure.value, figure.low, figure.high)
        reason = row.null_reason or f"it is not known of {self.batch_size:,} rows a call"
        return Figure(row, None, reason=reason)


SHOWN = ("throughput_rows_per_s", "peak_memory_mib")


@dataclass(frozen=True, repr=False)
class ThroughputCurve(Sequence[CurvePoint]):
    """What calls of each batch size reach and cost, by rising batch size.

    Args:
        points: One of each size that was timed.
        best_batch_size: Size of the profile's own throughput and memory; ``None``: not known.
        reason: Why there is no point; empty where there is one.

    >>> rate = CurveFigure("throughput_rows_per_s", 9e5, 8e5, 1e6)
    >>> ThroughputCurve((CurvePoint(32, (rate,), "micro"),), best_batch_size=32)
    batch size  throughput                   peak memory  tier
            32  900 k (800 k to 1 M) rows/s  –            micro  best
    >>> ThroughputCurve((), reason="it does not run")
    not measured: it does not run
    """

    points: tuple[CurvePoint, ...]
    best_batch_size: int | None = None
    reason: str = ""

    @overload
    def __getitem__(self, index: int) -> CurvePoint: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[CurvePoint]: ...

    def __getitem__(self, index: int | slice) -> CurvePoint | Sequence[CurvePoint]:
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[CurvePoint]:
        return iter(self.points)

    def __repr__(self) -> str:
        if not self.points:
            return f"not measured: {self.reason}"
        heads = [METRICS_BY_COLUMN[column].label.lower() for column in SHOWN]
        rows = [["batch size", *heads, "tier", ""]]
        for point in self.points:
            figures = [point[column] for column in SHOWN]
            texts = [NOT_MEASURED if one.value is None else str(one) for one in figures]
            mark = "best" if point.batch_size == self.best_batch_size else ""
            rows.append([f"{point.batch_size:,}", *texts, point.hardware_tier or "none", mark])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([size.rjust(widths[0]), *map(str.ljust, texts, widths[1:])]).rstrip()
            for size, *texts in rows
        )
