"""Limits of the applications as lines in a chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.contest.contest import find_limits
from rightfit.ranking.contest.profile_table import read_profiles
from rightfit.reporting.charts.limit_lines import LimitLine


def find_limit_lines(
    applications: Applications, profiles: pl.DataFrame, quality: Mapping[str, Any]
) -> list[LimitLine]:
    """Resolve every application's limits for a dataset.

    Limits on ``quality`` become limits on the dataset's own metric, which is what charts show.

    Args:
        applications: Whose limits.
        profiles: All profiles of one dataset: a ``max_degradation`` refers to the best of them.
        quality: The dataset's quality metric with its bounds ``worst`` and ``best``.

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
                value = quality["worst"] + value * (quality["best"] - quality["worst"])
            lines.append(LimitLine(name, metric, "min" if limit.is_floor else "max", value))
    return lines
