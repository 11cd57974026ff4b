"""Applications as the configuration holds them: every metric known, every direction right."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import model_validator

from rightfit._core.strict_model import read_key
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.models.quality.params import COST, name_metric
from rightfit.params.defaults import find_rates
from rightfit.ranking.applications.applications import (
    Applications,
    find_impossible_bounds,
    find_misnamed_metrics,
)

logger = logging.getLogger(__name__)

LEAST_MS = 1e-4  # 100 ns: a call of the fastest model takes microseconds


class ApplicationsParams(Applications):
    """All applications, every metric of theirs known (``params:applications``)."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misnamed(cls, raw: Any) -> Any:
        """Check the names first: otherwise a typo is reported only as missing fields."""
        if misnamed := find_misnamed(raw):
            faults = "; ".join(f"{key} {fault}" for key, fault in misnamed.items())
            raise ValueError(f"{faults}. There are the metrics {', '.join(METRICS_BY_COLUMN)}.")
        return raw

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        faults = find_contradictions(self.root)
        if faults:
            raise ValueError("\n".join(faults))
        for name, application in self.root.items():
            for metric, limit in application.constraints.items():
                if metric.endswith("_ms") and limit.max is not None and limit.max < LEAST_MS:
                    _warn_of_limit(f"applications.{name}.constraints.{metric}.max", limit.max)
        return self


@functools.cache  # once a process, however often parameters are checked
def _warn_of_limit(key: str, limit_ms: float) -> None:
    logger.warning(
        "%s is %g ms: no call is as short, so no candidate will meet it. Is it in milliseconds?",
        key,
        limit_ms,
    )


def find_misnamed(raw: Any) -> dict[str, str]:
    """Find the objectives and constraints of applications that name no metric.

    Returns:
        What is wrong, by key.
    """
    return {
        f"applications.{name}.{key}": fault
        for name, application in (raw.items() if isinstance(raw, Mapping) else ())
        for key, fault in find_misnamed_metrics(application).items()
    }


def find_contradictions(raw: Any) -> list[str]:
    """Describe objectives and limits that no value of a metric can meet, and rates that differ.

    Applications that are not right in themselves are left out.

    Returns:
        One line per fault.
    """
    faults = [
        f"applications.{name}.{fault}"
        for name, application in (raw.items() if isinstance(raw, Mapping) else ())
        for fault in (*find_impossible_bounds(application), *_find_unknown_metric(application))
    ]
    rates = find_rates(raw)
    if len(set(rates.values())) > 1:
        pairs = ", ".join(f"{name}: {rate:g}" for name, rate in rates.items())
        faults.append(
            f"applications name several rates (rate_per_s of {pairs}), but profiles are measured "
            "at one. Give them the same; rightfit load-test finds the load that a winner sustains"
        )
    return faults


def _find_unknown_metric(raw: Any) -> Iterator[str]:
    """Yield why the metric that judges predictions in place of a dataset's does not exist."""
    name = read_key(read_key(raw, "quality"), "name")
    if isinstance(name, str) and name_metric(name) != COST:
        from rightfit.models.quality.scorers import find_score  # imports numpy

        try:
            find_score(name_metric(name), {})
        except ValueError as err:
            yield f"quality.name: {err}"
