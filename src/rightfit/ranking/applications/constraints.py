"""Hard limits: the ones a profile breaks, by how much, and whether it is feasible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rightfit.ranking.applications.applications import ROUNDING, Application, LimitKind
from rightfit.ranking.applications.utility import Bools, Floats, Ints, Values, compute_utility


@dataclass(frozen=True)
class Limit:
    """One limit of an application, resolved to a bound in the metric's unit.

    Args:
        metric: Limited metric.
        kind: As written in the YAML.
        bound: Value that must be reached (``min``, ``max_degradation``) or kept (``max``); a
            number, or one per profile where datasets differ.
    """

    metric: str
    kind: LimitKind
    bound: Floats

    @property
    def is_floor(self) -> bool:
        """Tell whether values must lie above the bound."""
        return self.kind != "max"

    def at(self, rows: Ints) -> Limit:
        """Return the limit for some of the profiles."""
        return self if self.bound.ndim == 0 else replace(self, bound=self.bound[rows])


@dataclass(frozen=True)
class Judgement:
    """Value and feasibility of each profile for one application.

    Args:
        utility: In [0, 1]; NaN where an objective was not measured.
        feasible: Within all limits, and everything needed was measured.
        excess: Sum over the limits of the amount a profile breaks them by, as a share of the
            limit; inf where a limited metric was not measured.
    """

    utility: Floats
    feasible: Bools
    excess: Floats


def resolve_limits(application: Application, best: Mapping[str, Floats]) -> tuple[Limit, ...]:
    """Turn an application's constraints into bounds.

    Args:
        application: Whose constraints to resolve.
        best: Best measured value of each metric that has a ``max_degradation``; a number, or one
            per profile.

    Returns:
        Limits in the YAML's order; of one metric min, max, max_degradation.
    """
    limits = []
    for metric, kind, value in application.list_limits():
        bound = best[metric] - value * (1 + ROUNDING) if kind == "max_degradation" else value
        limits.append(Limit(metric, kind, np.asarray(bound, dtype=np.float64)))
    return tuple(limits)


def meets(limit: Limit, values: Floats) -> Bools:
    """Tell which values meet a limit; one that was not measured does not.

    >>> limit = Limit("latency_p95_ms", "max", np.array(10.0))
    >>> meets(limit, np.array([8.0, 12.5, np.nan])).tolist()
    [True, False, False]
    """
    met: Bools = values >= limit.bound if limit.is_floor else values <= limit.bound
    return met


def measure_excess(values: Floats, limit: Limit) -> Floats:
    """Measure by how much values break a limit, in the metric's unit.

    Returns:
        0 within the limit, positive beyond it, NaN where nothing was measured.

    >>> limit = Limit("latency_p95_ms", "max", np.array(10.0))
    >>> measure_excess(np.array([8.0, 12.5, np.nan]), limit).tolist()
    [0.0, 2.5, nan]
    """
    beyond = limit.bound - values if limit.is_floor else values - limit.bound
    excess: Floats = np.maximum(beyond, 0.0)
    return excess


def relate_excess(excess: Floats, limit: Limit) -> Floats:
    """Express an excess as a share of its bound (a bound of 0 leaves it as it is)."""
    size = np.abs(limit.bound)
    related: Floats = excess / np.where(size > 0, size, 1.0)
    return related


def judge_profiles(
    values: Values, application: Application, *, limits: tuple[Limit, ...]
) -> Judgement:
    """Compute utility, feasibility and excess of profiles for one application.

    Args:
        values: One array per metric the application needs, all of one shape.
        application: Whose objectives count.
        limits: Its limits, from :func:`resolve_limits`.
    """
    utility = compute_utility(values, application)
    excess: Floats = np.zeros(utility.shape)
    for limit in limits:
        excess = excess + relate_excess(measure_excess(values[limit.metric], limit), limit)
    excess = np.where(np.isnan(excess), np.inf, excess)
    return Judgement(utility, (excess == 0) & ~np.isnan(utility), excess)
