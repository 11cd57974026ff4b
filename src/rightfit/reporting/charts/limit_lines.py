"""The applications' limits as broken lines in a chart, named in its legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rightfit.formatting import format_number
from rightfit.naming import metric_unit, words
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.contest.contest import find_limits
from rightfit.ranking.contest.profile_table import read_profiles

DASHES = ("dot", "dash", "longdash", "dashdot", "longdashdot")


@dataclass(frozen=True)
class LimitLine:
    """A limit an application puts on a metric."""

    application: str
    metric: str
    kind: str
    value: float


def find_limit_lines(
    applications: Applications, profiles: pl.DataFrame, quality: QualityMetric
) -> list[LimitLine]:
    """Resolve every application's limits for a dataset.

    Limits on ``quality`` become limits on the dataset's own metric, which is what charts show.

    A ``max_degradation`` refers to the best of ``profiles``, which are those of one dataset.

    Returns:
        One line per application and limit.
    """
    table = read_profiles(profiles)
    lines = []
    for name, application in applications.items():
        for limit in find_limits(table, application):
            metric, value = limit.metric, float(limit.bound.flat[0])
            if metric == "quality":
                metric = "quality_raw"
                worst, best = quality.raw_bounds
                value = worst + value * (best - worst)
            lines.append(LimitLine(name, metric, "min" if limit.is_floor else "max", value))
    return lines


def draw_limits(
    profiles: pl.DataFrame, cost: str, limits: Sequence[LimitLine]
) -> list[dict[str, object]]:
    """Draw limits on the cost, and those on quality that lie near any measured one.

    Returns:
        Plotly's shapes, each with its name; an application's lines are broken in its own way.
    """
    quality = profiles["quality_raw"].drop_nulls().to_list()
    nearby = (max(quality) - min(quality)) / 3 if quality else 0.0
    lowest = min(quality, default=0.0) - nearby
    applications = list(dict.fromkeys(limit.application for limit in limits))
    return [
        _draw_line(limit, DASHES[applications.index(limit.application) % len(DASHES)])
        for limit in limits
        if limit.metric == cost or (limit.metric == "quality_raw" and limit.value >= lowest)
    ]


def _draw_line(limit: LimitLine, dash: str) -> dict[str, object]:
    sign = "≤" if limit.kind == "max" else "≥"
    across, along = ("x", "y") if limit.metric == "quality_raw" else ("y", "x")
    unit = "" if limit.metric == "quality_raw" else metric_unit(limit.metric)
    return {
        "type": "line",
        "layer": "below",
        f"{along}0": limit.value,
        f"{along}1": limit.value,
        f"{across}0": 0,
        f"{across}1": 1,
        f"{across}ref": f"{across} domain",
        "line": {"dash": dash},
        "name": f"{words(limit.application)} {sign} {format_number(limit.value)} {unit}".strip(),
        "showlegend": True,
    }
