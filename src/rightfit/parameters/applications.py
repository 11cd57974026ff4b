"""Applications as the configuration holds them: every metric known, every direction right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

from pydantic import ConfigDict, ValidationError, model_validator

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.ranking.applications.applications import Application, Applications, Objective
from rightfit.ranking.contest.profile_table import suggest

SERVING_LIMITS = ("n_threads",)  # part of the serving configuration; can be limited like a metric
KNOWN = {
    "objectives": tuple(METRICS_BY_COLUMN),
    "constraints": (*METRICS_BY_COLUMN, *SERVING_LIMITS),
}


class ApplicationsParams(Applications):
    """All applications, every metric of theirs known (``params:applications``)."""

    model_config = ConfigDict(title="conf/base/parameters_applications.yml", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_metrics(cls, raw: Any) -> Any:
        """Look at the names first: a misspelt one would only be told that it lacks fields."""
        _refuse(f"{key} {fault}" for key, fault in find_misnamed(raw).items())
        return raw

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        faults = find_reversed(self.root)
        if faults:
            raise ValueError("\n".join(faults))
        return self


def _refuse(faults: Iterator[str]) -> None:
    found = list(faults)
    if found:
        raise ValueError(
            "; ".join(found) + ". Correct conf/base/parameters_applications.yml; metrics: "
            f"{', '.join(METRICS_BY_COLUMN)}."
        )


def find_misnamed(raw: Any) -> dict[str, str]:
    """Find the objectives and constraints of applications that name no metric.

    Args:
        raw: All applications, checked or not.

    Returns:
        What is wrong, by key.
    """
    return dict(_find_misnamed(raw))


def _find_misnamed(raw: Any) -> Iterator[tuple[str, str]]:
    for name, application in raw.items() if isinstance(raw, Mapping) else ():
        for block, known in KNOWN.items():
            is_raw = isinstance(application, Mapping)
            named = application.get(block) if is_raw else getattr(application, block, None)
            for metric in named if isinstance(named, Mapping) else ():
                if metric not in known:
                    hint = suggest(str(metric), known)
                    yield f"applications.{name}.{block}.{metric}", f"is no metric{hint}"


def find_reversed(raw: Any) -> list[str]:
    """Describe objectives whose worst is better than their best.

    Args:
        raw: All applications; those that are not right in themselves are left out.

    Returns:
        One line per fault, with the file to correct.
    """
    return [
        f"applications.{name}.{fault}. Correct parameters_applications.yml."
        for name, application in (raw.items() if isinstance(raw, Mapping) else ())
        for fault in _find_reversed(application)
    ]


def _find_reversed(raw: Any) -> Iterator[str]:
    objectives = raw.objectives if isinstance(raw, Application) else _read_objectives(raw)
    for metric, goal in objectives.items():
        better = METRICS_BY_COLUMN[metric].better if metric in METRICS_BY_COLUMN else None
        if better is not None and (goal.best > goal.worst) != (better == "higher"):
            yield (
                f"objectives.{metric} has worst {goal.worst:g} and best {goal.best:g}, but "
                f"{better} is better"
            )


def _read_objectives(raw: Any) -> dict[str, Objective]:
    objectives = raw.get("objectives") if isinstance(raw, Mapping) else None
    found = {}
    for metric, goal in objectives.items() if isinstance(objectives, Mapping) else ():
        with suppress(ValidationError):
            found[metric] = Objective.model_validate(goal)
    return found
