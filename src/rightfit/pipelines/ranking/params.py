"""Parameters of the ranking stage."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, model_validator

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.ranking.applications import Application, Applications
from rightfit.ranking.profile_table import suggest
from rightfit.ranking.rules import RankingRules

__all__ = ["ApplicationsParams", "RankingParams"]

SERVING_LIMITS = ("n_threads",)  # part of the serving configuration; can be limited like a metric


class ApplicationsParams(Applications):
    """All applications, every metric of theirs known (``params:applications``)."""

    model_config = ConfigDict(title="conf/base/parameters_applications.yml", frozen=True)

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        faults = [
            f"applications.{name}.{fault}"
            for name, application in self.items()
            for fault in _find_faults(application)
        ]
        if faults:
            raise ValueError(
                "; ".join(faults) + ". Correct conf/base/parameters_applications.yml; metrics: "
                f"{', '.join(METRICS_BY_COLUMN)}."
            )
        return self


class RankingParams(RankingRules):
    """Rules of ranking (``params:ranking``)."""

    model_config = ConfigDict(title="conf/base/parameters_ranking.yml", extra="forbid", frozen=True)


def _find_faults(application: Application) -> list[str]:
    named = [("objectives", metric) for metric in application.objectives]
    named += [("constraints", metric) for metric in application.constraints]
    unknown = [
        f"{block}.{metric} is no metric{suggest(metric, METRICS_BY_COLUMN)}"
        for block, metric in named
        if metric not in METRICS_BY_COLUMN
        and not (block == "constraints" and metric in SERVING_LIMITS)
    ]
    reversed_bounds = [
        f"objectives.{metric} has worst {goal.worst:g} and best {goal.best:g}, but "
        f"{METRICS_BY_COLUMN[metric].better} is better"
        for metric, goal in application.objectives.items()
        if metric in METRICS_BY_COLUMN
        and (goal.best > goal.worst) != (METRICS_BY_COLUMN[metric].better == "higher")
    ]
    return unknown + reversed_bounds
