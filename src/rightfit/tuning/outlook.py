"""What a trial could still be worth to an application once it is trained to the end.

A checkpoint is judged by its projected final profile: an intermediate forest looks cheap and must
not be judged as such. Each metric comes as an estimate with an error; the outlook is the utility at
the medians, and what it could be at best, in each serving configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rightfit.ranking.applications import Application
from rightfit.ranking.constraints import Limit, measure_excess, resolve_limits
from rightfit.ranking.utility import compute_utility
from rightfit.tuning.estimate import Estimate

Floats = npt.NDArray[np.float64]

QUALITY = "quality"


@dataclass(frozen=True)
class Projection:
    """A trial's projected final profile.

    Args:
        gap: Estimate of 1 - quality, one number.
        metrics: Columns of ``costs``.
        costs: Estimates of all other metrics, shape (n_servings, n_metrics).
    """

    gap: Estimate
    metrics: Sequence[str]
    costs: Estimate
    _known: dict[tuple[float | None, bool], dict[str, Floats]] = field(default_factory=dict)

    @property
    def n_servings(self) -> int:
        """Serving configurations."""
        return len(self.costs.value)

    def end(self, metric: str, confidence: float | None, *, high: bool) -> Floats:
        """Return a metric's end, or its median (``None``), in each serving configuration."""
        key = (confidence, high)
        if key not in self._known:
            costs = _end(self.costs, confidence, high=high)
            self._known[key] = {name: costs[:, m] for m, name in enumerate(self.metrics)}
            quality = 1 - _end(self.gap, confidence, high=not high)
            self._known[key][QUALITY] = np.full(self.n_servings, quality)
        return self._known[key][metric]


@dataclass(frozen=True)
class Violation:
    """A limit that a trial is certain to break.

    Args:
        metric: Limited metric.
        bound: The limit.
        value: The value nearest to it that the projection leaves possible.
    """

    metric: str
    bound: float
    value: float


@dataclass(frozen=True)
class Outlook:
    """What an application can expect of a trial.

    Args:
        expected: Utility at the medians in the best serving configuration that may be feasible;
            NaN if there is none.
        optimistic: What it could be, for each serving configuration; NaN where a limit is certain
            to be broken.
        violation: The limit broken by the least, if that is certain everywhere.
    """

    expected: float
    optimistic: Floats
    violation: Violation | None

    @property
    def best(self) -> float:
        """The highest utility still possible; -inf if none is."""
        return float(np.max(np.nan_to_num(self.optimistic, nan=-np.inf), initial=-np.inf))


def look_ahead(
    projection: Projection,
    application: Application,
    *,
    best_quality: float,
    confidence: float,
    limit_confidence: float,
) -> Outlook:
    """Compute what an application can expect of a trial.

    The optimistic utility adds, to the utility at the medians, the gains of each metric at its
    favourable end in quadrature: not all errors are favourable at once.

    Args:
        projection: The trial's projected final profile.
        application: Who would choose.
        best_quality: Highest quality known for the dataset, for ``max_degradation``; -inf if none.
        confidence: One-sided confidence of the favourable ends.
        limit_confidence: The same where a limit is judged.
    """
    metrics = application.needed_metrics()
    medians, bests = (_ends(projection, application, end) for end in (None, confidence))
    variants = {}
    for row, metric in enumerate(metrics, start=1):
        variants[metric] = np.repeat(medians[metric][None, :], len(metrics) + 1, axis=0)
        variants[metric][row] = bests[metric]
    utilities = compute_utility(variants, application)
    gains = np.maximum(utilities[1:] - utilities[0], 0.0)
    optimistic = np.minimum(utilities[0] + np.sqrt((gains**2).sum(axis=0)), 1.0)
    broken, violation = _judge_limits(projection, application, best_quality, limit_confidence)
    optimistic = np.where(broken, np.nan, optimistic)
    possible = ~np.isnan(optimistic)
    expected = float(utilities[0][possible].max()) if possible.any() else float("nan")
    return Outlook(expected, optimistic, None if possible.any() else violation)


def _judge_limits(
    projection: Projection, application: Application, best_quality: float, confidence: float
) -> tuple[npt.NDArray[np.bool_], Violation | None]:
    """Tell where a limit is certain to be broken, and which is broken by the least."""
    broken = np.zeros(projection.n_servings, dtype=bool)
    nearest: tuple[float, Violation] | None = None
    values = _ends(projection, application, confidence)
    limits = resolve_limits(application, {QUALITY: np.asarray(best_quality)})
    for limit in limits:
        excess = measure_excess(values[limit.metric], limit)
        broken |= excess > 0
        for position in np.flatnonzero(excess > 0):
            nearest = _nearer(
                nearest, limit, float(values[limit.metric][position]), float(excess[position])
            )
    return broken, nearest[1] if nearest else None


def _nearer(
    nearest: tuple[float, Violation] | None, limit: Limit, value: float, excess: float
) -> tuple[float, Violation]:
    bound = float(limit.bound)
    share = excess / (abs(bound) or 1.0)
    if nearest is not None and nearest[0] <= share:
        return nearest
    return share, Violation(limit.metric, bound, value)


def _ends(
    projection: Projection, application: Application, confidence: float | None
) -> dict[str, Floats]:
    """Return each needed metric at its median (``None``) or favourable end, per serving."""
    return {
        metric: projection.end(metric, confidence, high=_is_higher_better(metric, application))
        for metric in application.needed_metrics()
    }


def _end(estimate: Estimate, confidence: float | None, *, high: bool) -> Floats:
    if confidence is not None:
        return estimate.end(confidence, high=high)
    # Of what nobody has measured yet the best is hoped for.
    unknown = np.isinf(estimate.spread)
    return np.where(unknown, np.inf if high else 0.0, estimate.value)


def _is_higher_better(metric: str, application: Application) -> bool:
    goal = application.objectives.get(metric)
    if goal is not None:
        return goal.best > goal.worst
    return application.constraints[metric].max is None
