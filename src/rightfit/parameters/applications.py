"""Applications as the configuration holds them: every metric known, every direction right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from pydantic import ConfigDict, ValidationError, model_validator

from rightfit.parameters.defaults import find_rates
from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.ranking.applications.applications import (
    THREADS,
    Application,
    Applications,
    Constraint,
    Objective,
)
from rightfit.spelling import suggest

Part = TypeVar("Part", Objective, Constraint)
KNOWN = {
    "objectives": tuple(METRICS_BY_COLUMN),
    "constraints": (*METRICS_BY_COLUMN, THREADS),
}

RETIRED = {
    "max_rate_per_s": "name the rate that you expect (rate_per_s: 100) and limit "
    "latency_under_load_p99_ms; rightfit load finds the highest rate of a winner's server"
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
        faults = find_contradictions(self.root)
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
                key = f"applications.{name}.{block}.{metric}"
                if metric in RETIRED:
                    yield key, f"is no metric any more: {RETIRED[metric]}"
                elif metric not in known:
                    yield key, f"is no metric{suggest(str(metric), known)}"


def find_contradictions(raw: Any) -> list[str]:
    """Describe objectives whose worst is better than their best, and limits that nothing can meet.

    Applications that are not right in themselves are left out.

    Returns:
        One line per fault, with the file to correct.
    """
    found = [
        f"applications.{name}.{fault}. Correct parameters_applications.yml."
        for name, application in (raw.items() if isinstance(raw, Mapping) else ())
        for fault in (*_find_reversed(application), *_find_unmeetable(application))
    ]
    return [*found, *_find_several_rates(raw)]


def _find_several_rates(raw: Any) -> Iterator[str]:
    rates = find_rates(raw)
    if len(set(rates.values())) > 1:
        named = ", ".join(f"{name}: {rate:g}" for name, rate in rates.items())
        yield (
            f"applications name several rates (rate_per_s of {named}), but profiles are measured "
            "at one. Give them the same; rightfit load finds the load that a winner sustains. "
            "Correct parameters_applications.yml."
        )


def _find_unmeetable(raw: Any) -> Iterator[str]:
    """Describe limits that no model of the world can meet: no metric but a raw quality is below 0.

    A quality lies between 0 and 1.
    """
    limits = (
        raw.constraints if isinstance(raw, Application) else _read(raw, "constraints", Constraint)
    )
    for metric, limit in limits.items():
        is_quality = metric.startswith("quality")
        if limit.max is not None and limit.max < 0 and not is_quality:
            yield f"constraints.{metric}.max is {limit.max:g}, but no value is below 0"
        if metric == "quality" and limit.min is not None and limit.min > 1:
            yield f"constraints.{metric}.min is {limit.min:g}, but no quality is above 1"


def _find_reversed(raw: Any) -> Iterator[str]:
    objectives = (
        raw.objectives if isinstance(raw, Application) else _read(raw, "objectives", Objective)
    )
    for metric, goal in objectives.items():
        better = METRICS_BY_COLUMN[metric].better if metric in METRICS_BY_COLUMN else None
        if better is not None and (goal.best > goal.worst) != (better == "higher"):
            yield (
                f"objectives.{metric} has worst {goal.worst:g} and best {goal.best:g}, but "
                f"{better} is better"
            )


def _read(raw: Any, key: str, model: type[Part]) -> dict[str, Part]:
    """Return the parts of an application that are right in themselves, by metric."""
    parts = raw.get(key) if isinstance(raw, Mapping) else None
    found = {}
    for metric, part in parts.items() if isinstance(parts, Mapping) else ():
        with suppress(ValidationError):
            found[str(metric)] = model.model_validate(part)
    return found
