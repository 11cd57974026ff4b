"""Figures in documents: the one form in which a value with its interval is written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationError, model_validator

from rightfit._core.strict_model import StrictModel, list_faults
from rightfit.measuring.metrics import METRICS_BY_COLUMN, Figure, Metric, MetricTable


class _Ranked:
    """Figures that a ranking adds to those that are measured."""

    utility = Metric("Utility", "", "higher", "serve", "predictions", scale="0 to 1")


UTILITY_ROW = _Ranked.utility


class WrittenFigure(StrictModel):
    """A figure in JSON, whose place names the metric; the ends are null where none is known."""

    value: float | None
    low: float | None
    high: float | None
    name: str = ""
    reason: str = ""

    @model_validator(mode="after")
    def _check(self) -> WrittenFigure:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low must not be above high, but got {self.low:g} and {self.high:g}")
        return self


def write_figure(figure: Figure) -> dict[str, Any]:
    """Write a figure as JSON; it is named where its metric is a dataset's, and null with a reason.

    >>> write_figure(Figure(MetricTable.latency_p50_ms, 0.5, 0.4, 0.6))
    {'value': 0.5, 'low': 0.4, 'high': 0.6}
    """
    texts = {"name": figure.name, "reason": figure.reason}
    ends = {"value": figure.value, "low": figure.low, "high": figure.high}
    return ends | {key: text for key, text in texts.items() if text}


def write_figures(figures: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    """Write figures by the columns of their metrics."""
    return {column: write_figure(figure) for column, figure in figures.items()}


def read_figure(raw: object, metric: Metric) -> Figure:
    """Read what :func:`write_figure` wrote of a metric.

    Raises:
        ValueError: If it is none; lists all faults.
    """
    if isinstance(raw, Figure):
        return raw
    try:
        written = WrittenFigure.model_validate(raw)
    except ValidationError as err:
        raise ValueError(f"{metric.column}: {'; '.join(list_faults(err))}") from err
    return Figure(metric, **dict(written))


def _read_all(raw: object) -> dict[str, Figure]:
    if not isinstance(raw, Mapping):
        raise ValueError("must be a mapping of figures by metric")
    if unknown := sorted(str(column) for column in raw if column not in METRICS_BY_COLUMN):
        raise ValueError(f"holds {unknown}, which are no metrics")
    return {
        column: read_figure(figure, METRICS_BY_COLUMN[column]) for column, figure in raw.items()
    }


def _read_of(metric: Metric) -> PlainValidator:
    return PlainValidator(lambda raw: None if raw is None else read_figure(raw, metric))


def _write(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else write_figure(figure)


Figures = Annotated[dict[str, Figure], PlainValidator(_read_all), PlainSerializer(write_figures)]
"""Figures by the columns of their metrics, in a model of pydantic."""

QualityFigure = Annotated[Figure | None, _read_of(MetricTable.quality_raw), PlainSerializer(_write)]
"""A quality in the dataset's own metric; ``None``: it is not known."""

UtilityFigure = Annotated[Figure | None, _read_of(UTILITY_ROW), PlainSerializer(_write)]
"""A utility; ``None``: it is not known."""
