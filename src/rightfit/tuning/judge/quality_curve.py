"""How good a trial will be at the end, judged by its curve so far and by the other trials.

From look to look the gap to perfect quality shrinks by a factor that depends on the
hyper-parameters (a low learning rate leaves more for later) and on the gap itself (who is behind
catches up). So each look is predicted from the one before by a Gaussian process, the first one from
the hyper-parameters alone: autoregressive co-kriging (Kennedy and O'Hagan 2000, Biometrika 87:1),
step by step as in Le Gratiet and Garnier (2014). A trial teaches every look it reached. That the
bad ones were stopped early does no harm, because a step is judged given the gap it started from.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rightfit.tuning.judge.estimate import Estimate, make_estimate
from rightfit.tuning.judge.kriging import Gauss, Kriging, Prior
from rightfit.tuning.judge.observed import ObservedTrial, Pool

Floats = npt.NDArray[np.float64]

MIN_GAP = 1e-4  # perfect quality would have no logarithm
FIRST = Prior(mean=-1.0, spread=0.5, weight=1.0)  # of the logarithm of the first look's gap
STEP = Prior(mean=-0.15, spread=0.15, weight=2.0)  # of what one doubling of the training adds
LENGTH = 1.5  # of the unit cube: hyper-parameters this near to each other train alike
LENGTHS = (0.35, 6.0)
LENGTH_STEP = 1.7  # factor between the lengths tried
NOISE = 0.1  # share of the variance that hyper-parameters do not explain
NOISES = (0.02, 0.05, 0.12, 0.3)
N_FOR_LENGTHS = 4  # trials before lengths are chosen by the evidence
GROWTH = 1.25  # of the trials, before they are chosen again


class QualityProjection:
    """Final qualities of one cell.

    Args:
        uses_neighbours: Whether hyper-parameters count, beside the curve.
    """

    def __init__(self, *, uses_neighbours: bool) -> None:
        self._uses_neighbours = uses_neighbours
        self._looks: list[Kriging] = []
        self._lengths: Floats = np.zeros(0)
        self._noise = NOISE if uses_neighbours else 1.0
        self._n_chosen_at = N_FOR_LENGTHS / GROWTH

    def learn(self, pool: Pool) -> None:
        """Fit to a search's trials, in place of whatever was learnt before."""
        if not pool.trials:
            self._looks = []
            return
        gaps = [_log_gaps(trial) for trial in pool.trials]
        places = np.array([self._place(trial) for trial in pool.trials])
        if len(self._lengths) != places.shape[1]:
            self._lengths = np.full(places.shape[1], LENGTH)
        self._looks = [self._make_look(k, gaps, places) for k in range(pool.n_checkpoints)]
        if self._uses_neighbours and len(gaps) >= GROWTH * self._n_chosen_at:
            self._choose_lengths()
            self._n_chosen_at = len(gaps)
        self._fit(self._lengths, self._noise)

    def project(self, trial: ObservedTrial) -> Estimate:
        """Return the gap to perfect quality at the end of a trial's training."""
        gaps = _log_gaps(trial)
        if not len(gaps) and not self._looks:
            return make_estimate(1.0, math.inf)
        at = Gauss(float(gaps[-1]) if len(gaps) else 0.0)
        for look in self._looks[len(gaps) :]:
            at = look.follow(self._place(trial), at)
        return make_estimate(math.exp(at.mean), math.sqrt(at.variance), at.dof)

    def _place(self, trial: ObservedTrial) -> Floats:
        return np.asarray(trial.place if self._uses_neighbours else (), dtype=np.float64)

    def _make_look(self, k: int, gaps: list[Floats], places: Floats) -> Kriging:
        reached = [i for i, gap in enumerate(gaps) if len(gap) > k]
        ends = np.array([gaps[i][k] for i in reached])
        starts = np.array([gaps[i][k - 1] for i in reached]) if k else np.zeros(len(reached))
        return Kriging(places[reached], starts, ends, STEP if k else FIRST)

    def _fit(self, lengths: Floats, noise: float) -> float:
        """Fit all looks; return how plausible the lengths and the noise are."""
        prior = float(np.sum(np.log(lengths / LENGTH) ** 2)) + math.log(noise / NOISE) ** 2
        return sum(look.fit(lengths, noise) for look in self._looks) - prior / 2

    def _choose_lengths(self) -> None:
        """Climb to the lengths and the noise that explain all looks best."""
        best = self._fit(self._lengths, self._noise)
        for coordinate in range(len(self._lengths)):
            for factor in (LENGTH_STEP, 1 / LENGTH_STEP):
                while True:
                    lengths = self._lengths.copy()
                    lengths[coordinate] *= factor
                    is_inside = LENGTHS[0] <= lengths[coordinate] <= LENGTHS[1]
                    if not is_inside or (score := self._fit(lengths, self._noise)) <= best:
                        break
                    best, self._lengths = score, lengths
        for noise in NOISES:
            if (score := self._fit(self._lengths, noise)) > best:
                best, self._noise = score, noise


def _log_gaps(trial: ObservedTrial) -> Floats:
    gaps: Floats = np.log(np.maximum(1 - np.array(trial.qualities), MIN_GAP))
    return gaps
