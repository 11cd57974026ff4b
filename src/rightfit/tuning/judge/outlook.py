"""What a trial could still be worth to an application once it is trained to the end.

A checkpoint is judged by its projected final profile: an intermediate forest looks cheap and must
not be judged as such. Each metric comes as an estimate with an error; the outlook is the utility at
the medians, and in a fixed number of draws from the errors, in each serving configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import Limit, measure_excess, resolve_limits
from rightfit.ranking.applications.utility import compute_utility
from rightfit.tuning.judge.estimate import Estimate

Floats = npt.NDArray[np.float64]

QUALITY = "quality"


@dataclass(frozen=True)
class Projection:
    """A trial's projected final profile.

    Args:
        gap: Estimate of 1 - quality, one number.
        metrics: Columns of ``costs``.
        costs: Estimates of all other metrics, shape (n_servings, n_metrics).
        quality_error: Standard error of a quality seen, see ``Seen``.
    """

    gap: Estimate
    metrics: Sequence[str]
    costs: Estimate
    quality_error: float = 0.0
    _drawn: dict[tuple[str, bool], Floats] = field(default_factory=dict)

    @property
    def n_servings(self) -> int:
        """Serving configurations."""
        return len(self.costs.value)

    def end(self, metric: str, confidence: float, *, high: bool) -> Floats:
        """Return what a metric stays below (``high``) or above, per serving configuration."""
        if metric == QUALITY:
            return np.full(self.n_servings, 1 - self.gap.end(confidence, high=not high))
        return self.costs.end(confidence, high=high)[:, self.metrics.index(metric)]

    def draw(self, metric: str, *, high: bool) -> Floats:
        """Return a metric at its medians, in the first row, and in draws from its errors.

        An error that makes a model slow in one serving configuration does so in all: they share
        their draws. Different metrics have independent ones.

        Args:
            metric: Quality or one of ``metrics``.
            high: Whether high values are good: the best is hoped for of what nobody has measured.

        Returns:
            Shape (1 + N_DRAWS, n_servings).
        """
        if (metric, high) not in self._drawn:
            if metric == QUALITY:
                gap = self.gap.draw(0, high=not high)
                self._drawn[metric, high] = np.repeat(1 - gap, self.n_servings, axis=1)
            else:
                m = self.metrics.index(metric)
                self._drawn[metric, high] = self.costs.at(m).draw(1 + m, high=high)
        return self._drawn[metric, high]


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
        expected: Utility at the medians in the best serving configuration that may be feasible,
            times the chance that the limits of quality are kept; NaN if there is none.
        draws: Utility in draws from all errors, shape (N_DRAWS, n_servings); -inf where a limit is
            broken or something can't be measured.
        violation: The limit broken by the least, if that is certain everywhere.
    """

    expected: float
    draws: Floats
    violation: Violation | None

    def expect_gain(self, incumbent: float) -> float:
        """Return by how much the trial is expected to beat an incumbent, 0 where it does not.

        That is expected improvement (Mockus 1975), in the best serving configuration of each draw.
        """
        return float(np.maximum(self.draws.max(axis=1) - incumbent, 0.0).mean())

    def expect_gains(self, incumbent: float) -> Floats:
        """Return the same for each serving configuration alone."""
        gains: Floats = np.maximum(self.draws - incumbent, 0.0).mean(axis=0)
        return gains


def look_ahead(
    projection: Projection,
    application: Application,
    *,
    best_quality: float,
    limit_confidence: float,
) -> Outlook:
    """Compute what an application can expect of a trial.

    Args:
        projection: The trial's projected final profile.
        application: Who would choose.
        best_quality: Highest quality known for the dataset, for ``max_degradation``; -inf if none.
        limit_confidence: One-sided confidence with which a limit must be broken to be certain.
    """
    limits = resolve_limits(application, {QUALITY: np.asarray(best_quality)})
    values = {
        metric: projection.draw(metric, high=_is_higher_better(metric, application))
        for metric in application.needed_metrics()
    }
    utility = compute_utility(values, application)
    broken, violation = _judge_limits(projection, application, limits, limit_confidence)
    kept = ~np.isnan(utility) & ~broken
    possible = kept[0].copy()
    chance = chance_to_keep(limits, 1 - projection.gap.value, projection.quality_error)
    expected = float(utility[0][possible].max() * chance) if possible.any() else float("nan")
    for limit in limits:
        kept &= measure_excess(values[limit.metric], limit) == 0
    draws = np.where(kept, utility, -np.inf)[1:]
    return Outlook(expected, draws, None if possible.any() else violation)


def chance_to_keep(limits: Sequence[Limit], quality: Floats, error: Floats | float) -> Floats:
    """Return the probability that a validated quality keeps the limits set to it elsewhere.

    A quality just above its limit on a thousand rows is below it on other rows half of the time.

    Args:
        limits: An application's limits; those of other metrics do not count.
        quality: Qualities.
        error: Their standard errors; where it is 0 the chance is 1.
    """
    from scipy.special import ndtr

    chance = np.ones_like(quality)
    for limit in limits:
        if limit.metric == QUALITY:
            room = quality - limit.bound if limit.is_floor else limit.bound - quality
            with np.errstate(divide="ignore", invalid="ignore"):
                chance = chance * np.where(np.asarray(error) > 0, ndtr(room / error), 1.0)
    return chance


def _judge_limits(
    projection: Projection,
    application: Application,
    limits: Sequence[Limit],
    confidence: float,
) -> tuple[npt.NDArray[np.bool_], Violation | None]:
    """Tell where a limit is certain to be broken, and which is broken by the least."""
    broken = np.zeros(projection.n_servings, dtype=bool)
    nearest: tuple[float, Violation] | None = None
    values = {
        limit.metric: projection.end(
            limit.metric, confidence, high=_is_higher_better(limit.metric, application)
        )
        for limit in limits
    }
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


def _is_higher_better(metric: str, application: Application) -> bool:
    goal = application.objectives.get(metric)
    if goal is not None:
        return goal.best > goal.worst
    return application.constraints[metric].max is None
