"""How good a trial will be at the end, judged by its curve so far and by the other trials.

Two witnesses are combined, each with its own error. The *curve*: the gap to perfect quality shrinks
from checkpoint to checkpoint by factors that a cell's trials share (the idea of predicting from
other curves is Freeze-Thaw's; Swersky, Snoek and Adams 2014, arXiv:1406.3896). The *neighbours*:
trials with similar hyper-parameters end alike (a Gaussian process, as in Bayesian optimisation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rightfit.tuning.estimate import Estimate, make_estimate, pool_spread
from rightfit.tuning.observed import ObservedTrial, Pool

Floats = npt.NDArray[np.float64]

MIN_GAP = 1e-4  # perfect quality would have no logarithm
STEP_SPREAD = 0.15  # prior: what one doubling of the training changes the logarithm of the gap by
STEP_WEIGHT = 2.0
LENGTH_SCALE = 0.7  # of the unit cube: hyper-parameters this near to each other end alike
NOISE = 0.1  # share of the variance that hyper-parameters do not explain


class QualityProjection:
    """Final qualities of one cell.

    Args:
        uses_neighbours: Whether hyper-parameters count, beside the curve.
    """

    def __init__(self, *, uses_neighbours: bool) -> None:
        self._uses_neighbours = uses_neighbours
        self._steps: list[tuple[float, float, float]] = []  # mean, spread, dof of each doubling
        self._ends: Floats = np.zeros(0)
        self._end_spreads: Floats = np.zeros(0)
        self._places: Floats = np.zeros((0, 0))
        self._variance = 0.0
        self._dof = 1.0
        self._weights: Floats = np.zeros((0, 0))  # inverse of the covariance between the trials

    def learn(self, pool: Pool) -> None:
        """Fit to a search's trials, in place of whatever was learnt before."""
        gaps = [_log_gaps(trial) for trial in pool.trials]
        self._steps = [
            _summarise([gap[k + 1] - gap[k] for gap in gaps if len(gap) > k + 1])
            for k in range(pool.n_checkpoints - 1)
        ]
        ends = [
            (trial.place, *self._follow(gap))
            for trial, gap in zip(pool.trials, gaps, strict=True)
            if len(gap)
        ]
        self._places = np.array([end[0] for end in ends])
        self._ends = np.array([end[1] for end in ends])
        self._end_spreads = np.array([end[2] for end in ends])
        if len(ends) >= 2:
            self._learn_neighbours()

    def project(self, trial: ObservedTrial) -> Estimate:
        """Return the gap to perfect quality at the end of a trial's training."""
        gaps = _log_gaps(trial)
        witnesses = []
        if len(gaps):
            witnesses.append(self._follow(gaps))
        if (self._uses_neighbours or not len(gaps)) and len(self._ends) >= 2:
            witnesses.append(self._ask_neighbours(trial.place))
        return _combine(witnesses)

    def _follow(self, gaps: Floats) -> tuple[float, float, float]:
        """Follow a curve to its end: mean, spread, degrees of freedom of the final log gap."""
        rest = self._steps[len(gaps) - 1 :]
        mean = float(gaps[-1]) + sum(step[0] for step in rest)
        spread = math.sqrt(sum(step[1] ** 2 for step in rest))
        return mean, spread, min((step[2] for step in rest), default=math.inf)

    def _learn_neighbours(self) -> None:
        n = len(self._ends)
        squares = float(np.sum((self._ends - self._ends.mean()) ** 2))
        spread, self._dof = pool_spread(squares, n - 1, prior=0.5, prior_weight=1.0)
        self._variance = spread**2
        if not self._uses_neighbours:
            return
        distances = ((self._places[:, None, :] - self._places[None, :, :]) ** 2).sum(axis=2)
        covariance = self._variance * np.exp(-distances / (2 * LENGTH_SCALE**2))
        covariance[np.diag_indices(n)] += NOISE * self._variance + self._end_spreads**2
        self._weights = np.linalg.inv(covariance)

    def _ask_neighbours(self, place: tuple[float, ...]) -> tuple[float, float, float]:
        mean = float(self._ends.mean())
        if not self._uses_neighbours:
            return mean, math.sqrt(self._variance), self._dof
        distances = ((self._places - np.asarray(place)) ** 2).sum(axis=1)
        covariance = self._variance * np.exp(-distances / (2 * LENGTH_SCALE**2))
        weights = self._weights @ covariance
        here = mean + float(weights @ (self._ends - mean))
        left = self._variance * (1 + NOISE) - float(weights @ covariance)
        return here, math.sqrt(max(left, NOISE * self._variance)), self._dof


def _log_gaps(trial: ObservedTrial) -> Floats:
    gaps: Floats = np.log(np.maximum(1 - np.array(trial.qualities), MIN_GAP))
    return gaps


def _summarise(steps: Sequence[float]) -> tuple[float, float, float]:
    n = len(steps)
    mean = sum(steps) / n if n else -STEP_SPREAD
    spread, dof = pool_spread(
        sum((step - mean) ** 2 for step in steps),
        n - 1,
        prior=STEP_SPREAD,
        prior_weight=STEP_WEIGHT,
    )
    return mean, spread * math.sqrt(1 + 1 / max(n, 1)), dof


def _combine(witnesses: Sequence[tuple[float, float, float]]) -> Estimate:
    if not witnesses:
        return make_estimate(1.0, math.inf)
    if any(spread == 0 for _, spread, _ in witnesses):
        mean = next(mean for mean, spread, _ in witnesses if spread == 0)
        return make_estimate(math.exp(mean))
    weights = [1 / spread**2 for _, spread, _ in witnesses]
    mean = sum(w * m for w, (m, _, _) in zip(weights, witnesses, strict=True)) / sum(weights)
    return make_estimate(math.exp(mean), 1 / math.sqrt(sum(weights)), min(w[2] for w in witnesses))
