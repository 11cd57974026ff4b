"""The applications' limits as dotted lines in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rightfit.naming import format_number, words
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.contest.contest import find_limits
from rightfit.ranking.contest.profile_table import read_profiles


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

    Args:
        applications: Whose limits.
        profiles: All profiles of one dataset: a ``max_degradation`` refers to the best of them.
        quality: The dataset's quality metric with its bounds.

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
        Plotly's shapes, each with its label.
    """
    quality = profiles["quality_raw"].drop_nulls().to_list()
    nearby = (max(quality) - min(quality)) / 3 if quality else 0.0
    lowest = min(quality, default=0.0) - nearby
    return [
        _limit_line(limit)
        for limit in limits
        if limit.metric == cost or (limit.metric == "quality_raw" and limit.value >= lowest)
    ]


def _limit_line(limit: LimitLine) -> dict[str, object]:
    sign = "≤" if limit.kind == "max" else "≥"
    upright = limit.metric != "quality_raw"
    across = "y" if upright else "x"
    along = "x" if upright else "y"
    return {
        "type": "line",
        "layer": "below",
        f"{along}0": limit.value,
        f"{along}1": limit.value,
        f"{across}0": 0,
        f"{across}1": 1,
        f"{across}ref": f"{across} domain",
        "label": {
            "text": f"{words(limit.application)} {sign} {format_number(limit.value)}",
            "textposition": "start" if upright else "end",
            "xanchor": "left" if upright else "right",
            "yanchor": "bottom",
        },
    }
