"""What the what-if page needs: the profiles and the applications, with the names people read."""

from __future__ import annotations

import math

import polars as pl
from pydantic import BaseModel, ConfigDict

from rightfit.naming import metric_name, metric_unit, words
from rightfit.profiling.devices import ELSEWHERE, split_device
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Application, LimitKind
from rightfit.ranking.applications.tie_rules import RankingRules, TieKey
from rightfit.ranking.contest.profile_table import ProfileTable, choose_path, read_profiles
from rightfit.reporting.results import Results


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class WhatIfLimit(_Part):
    """A limit that the page's slider moves."""

    metric: str
    kind: LimitKind
    value: float


class WhatIfApplication(_Part):
    """An application's objectives (each with its ``metric``), limits and tie rule as lists."""

    aggregation: str
    objectives: list[dict[str, object]]
    limits: list[WhatIfLimit]
    path: str
    ties: tuple[TieKey, ...]


class WhatIfProfile(_Part):
    """A profile with the values that any application needs; ``None``: not measured."""

    model: str
    candidate: str
    serving: str
    path: str
    values: dict[str, float | None]


class MetricWords(_Part):
    """A metric's name and unit."""

    name: str
    unit: str


class WhatIf(_Part):
    """Content of the page, for the script that ranks in the browser.

    Args:
        applications: By name.
        profiles: By dataset, in the order in which the ranking reads them, so that equal
            candidates get the same order.
        metrics: Metrics that any application needs.
        datasets: Their names in words.
        colors: By family.
    """

    applications: dict[str, WhatIfApplication]
    profiles: dict[str, list[WhatIfProfile]]
    metrics: dict[str, MetricWords]
    datasets: dict[str, str]
    colors: dict[str, str]


def collect_what_if(results: Results) -> WhatIf:
    """Collect what the page ranks again."""
    needed = _needed_columns(results)
    table = read_profiles(results.profiles)
    frame = table.frame
    return WhatIf(
        applications={
            name: list_parts(
                name, application, results.rules, path=_name_choice(table, application)
            )
            for name, application in results.applications.items()
        },
        profiles={
            dataset: _list_profiles(frame.filter(pl.col("dataset") == dataset), needed)
            for dataset in results.datasets
        },
        metrics={
            column: MetricWords(name=metric_name(column), unit=metric_unit(column))
            for column in needed
        },
        datasets={name: words(name) for name in results.datasets},
        colors={family: mark.color for family, mark in results.marks.items()},
    )


def _name_choice(table: ProfileTable, application: Application) -> str:
    """Name the profiles that an application chooses among, as :func:`_list_profiles` does."""
    environment = application.environment
    return f"{choose_path(table.of_environment(environment), application)}{ELSEWHERE}{environment}"


def list_parts(
    name: str, application: Application, rules: RankingRules, *, path: str
) -> WhatIfApplication:
    """List an application's objectives, limits, request path and tie rule."""
    return WhatIfApplication(
        aggregation=application.aggregation,
        objectives=[
            {"metric": metric, **objective.model_dump()}
            for metric, objective in application.objectives.items()
        ],
        limits=[
            WhatIfLimit(metric=metric, kind=kind, value=value)
            for metric, constraint in application.constraints.items()
            for kind, value in constraint.limits().items()
        ],
        path=path,
        ties=rules.ties.for_application(name),
    )


def _list_profiles(profiles: pl.DataFrame, columns: list[str]) -> list[WhatIfProfile]:
    return [
        WhatIfProfile(
            model=row["model"],
            candidate=row["candidate"],
            serving=Serving(row["runtime"], row["n_threads"], row["device"]).label,
            path=f"{row['request_path']}{ELSEWHERE}{split_device(row['device'])[1]}",
            values={column: _finite(row[column]) for column in columns},
        )
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
