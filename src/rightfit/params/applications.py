"""Applications as the configuration holds them: every metric known, every direction right."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from pydantic import ConfigDict, ValidationError, model_validator

from rightfit._core.spelling import suggest
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.params.defaults import find_rates, read_key
from rightfit.ranking.applications.applications import (
    THREADS,
    Applications,
    Constraint,
    Objective,
)

Part = TypeVar("Part", Objective, Constraint)
KNOWN = {
    "objectives": tuple(METRICS_BY_COLUMN),
    "constraints": (*METRICS_BY_COLUMN, THREADS),
}


class ApplicationsParams(Applications):
    """All applications, every metric of theirs known (``params:applications``)."""

    model_config = ConfigDict(title="conf/base/parameters_applications.yml", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_misnamed(cls, raw: Any) -> Any:
        """Check the names first: otherwise a typo is reported only as missing fields."""
        if misnamed := find_misnamed(raw):
            faults = "; ".join(f"{key} {fault}" for key, fault in misnamed.items())
            raise ValueError(
                f"{faults}. Correct conf/base/parameters_applications.yml; metrics: "
                f"{', '.join(METRICS_BY_COLUMN)}."
            )
        return raw

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        faults = find_contradictions(self.root)
        if faults:
            raise ValueError("\n".join(faults))
        return self


def find_misnamed(raw: Any) -> dict[str, str]:
    """Find the objectives and constraints of applications that name no metric.

    Returns:
        What is wrong, by key.
    """
    faults = {}
    for name, application in raw.items() if isinstance(raw, Mapping) else ():
        for block, known in KNOWN.items():
            named = read_key(application, block)
            for metric in named if isinstance(named, Mapping) else ():
                key = f"applications.{name}.{block}.{metric}"
                if metric not in known:
                    faults[key] = f"is no metric{suggest(str(metric), known)}"
    return faults


def find_contradictions(raw: Any) -> list[str]:
    """Describe objectives whose worst is better than their best, and limits that nothing can meet.

    Applications that are not right in themselves are left out. No metric but a raw quality is ever
    below 0, and a quality lies between 0 and 1.

    Returns:
        One line per fault, with the file to correct.
    """
    faults = []
    for name, application in raw.items() if isinstance(raw, Mapping) else ():
        for metric, goal in _read(application, "objectives", Objective).items():
            better = METRICS_BY_COLUMN[metric].better if metric in METRICS_BY_COLUMN else None
            if better is not None and (goal.best > goal.worst) != (better == "higher"):
                faults.append(
                    f"applications.{name}.objectives.{metric} has worst {goal.worst:g} and best "
                    f"{goal.best:g}, but {better} is better"
                )
        for metric, limit in _read(application, "constraints", Constraint).items():
            where = f"applications.{name}.constraints.{metric}"
            if limit.max is not None and limit.max < 0 and not metric.startswith("quality"):
                faults.append(f"{where}.max is {limit.max:g}, but no value is below 0")
            if metric == "quality" and limit.min is not None and limit.min > 1:
                faults.append(f"{where}.min is {limit.min:g}, but no quality is above 1")
    rates = find_rates(raw)
    if len(set(rates.values())) > 1:
        named = ", ".join(f"{name}: {rate:g}" for name, rate in rates.items())
        faults.append(
            f"applications name several rates (rate_per_s of {named}), but profiles are measured "
            "at one. Give them the same; rightfit load-test finds the load that a winner sustains"
        )
    return [f"{fault}. Correct parameters_applications.yml." for fault in faults]


def _read(raw: Any, key: str, model: type[Part]) -> dict[str, Part]:
    """Return the parts of an application that are right in themselves, by metric."""
    parts = read_key(raw, key)
    found = {}
    for metric, part in parts.items() if isinstance(parts, Mapping) else ():
        with suppress(ValidationError):
            found[str(metric)] = model.model_validate(part)
    return found
