"""What the what-if page needs: the profiles and the applications as plain JSON types."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from rightfit.naming import metric_name, metric_unit, serving_label, words
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.tie_rules import RankingRules
from rightfit.ranking.contest.profile_table import read_profiles
from rightfit.reporting.results import Results


def describe_what_if(results: Results) -> dict[str, Any]:
    """Collect profiles and applications for the script that ranks in the browser.

    The profiles come in the order in which the ranking reads them, so that equal candidates are
    told apart alike.

    Returns:
        ``applications``, ``profiles`` per dataset, names of ``metrics`` and ``datasets``, and
        ``colors`` per family.
    """
    needed = _needed_columns(results)
    frame = read_profiles(results.profiles).frame
    return {
        "applications": {
            name: describe_application(name, application, results.rules)
            for name, application in results.applications.items()
        },
        "profiles": {
            dataset: describe_profiles(frame.filter(pl.col("dataset") == dataset), needed)
            for dataset in results.datasets
        },
        "metrics": {
            column: {"name": metric_name(column), "unit": metric_unit(column)} for column in needed
        },
        "datasets": {name: words(name) for name in results.datasets},
        "colors": {family: mark.color for family, mark in results.marks.items()},
    }


def describe_application(
    name: str, application: Application, rules: RankingRules
) -> dict[str, Any]:
    """Write an application's objectives, limits and tie rule as lists."""
    return {
        "aggregation": application.aggregation,
        "objectives": [
            {"metric": metric, **objective.model_dump()}
            for metric, objective in application.objectives.items()
        ],
        "limits": [
            {"metric": metric, "kind": kind, "value": value}
            for metric, constraint in application.constraints.items()
            for kind, value in constraint.limits().items()
        ],
        "ties": [key.model_dump() for key in rules.ties.for_application(name)],
    }


def describe_profiles(profiles: pl.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Write profiles with the values of some columns; null where not measured."""
    return [
        {
            "model": row["model"],
            "candidate": row["candidate"],
            "serving": serving_label(row),
            "values": {column: _finite(row[column]) for column in columns},
        }
        for row in profiles.to_dicts()
    ]


def _needed_columns(results: Results) -> list[str]:
    needed = [
        metric
        for _, application in results.applications.items()
        for metric in [*application.objectives, *application.constraints]
    ]
    ties = [
        key.by
        for name, _ in results.applications.items()
        for key in results.rules.ties.for_application(name)
    ]
    return [name for name in dict.fromkeys([*needed, *ties]) if name in results.profiles]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
