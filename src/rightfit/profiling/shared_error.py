"""What all processes of a measurement share, estimated on the machine that measures.

The machine's speed drifts. Profiles that are measured in turns drift together, so a table of
profiles x turns splits what one turn has in common from what one process has for itself: a model
with two crossed factors (Searle, Casella and McCulloch, Variance Components, 1992), the turns'
effects being a stationary first-order autoregression. A few turns tell little of a slow drift, so
the turns of all cells measured on the machine count together, and standard deviation and
autocorrelation are no point estimates: their restricted likelihood, that of the contrasts within
each cell, is weighed with a weak prior on a grid. The reach is the 95 % quantile of the error that
this leaves, so that it is wide where little was seen.

``shared_error_pct`` is the reach until the first turns were seen, and the scale of the prior.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rightfit.profiling.distributions import find_crossing

Figures = npt.NDArray[np.float64]

MIN_PROFILES = 3  # fewer do not split a turn from its processes
MIN_TURNS = 4
N_AVERAGED = 6  # turns that a measurement's processes see, at least
ALONE_FACTOR = 2.5  # of the constant, while nothing else is known
# Turns are seen by median latencies; of a single stretch, a tail, a rate or a time of loading is
# off by more. Chosen on two recordings of a quiet machine, judged by a third (record_processes.py).
OTHERS_FACTOR = 1.5
FLOOR_SHARE = 1 / 3  # of the constant; no machine is taken for steadier than that
STEADY_PCT = 4.0  # a reach beyond it is called drifting
ERROR_SHARE = 0.05

AUTOCORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98)  # from turn to turn
SCALES = np.geomspace(1 / 16, 8, 29)  # standard deviations of a turn / shared_error_pct
PRIOR_SCALE = 0.5  # the constant is two standard deviations
PRIOR_DEGREES = 1.0  # the least that still has a scale: one turn's worth
MAD_TO_STD = 1.4826
MEDIAN_TO_MEAN = 1.2533  # standard error of a median / of a mean, for normal errors


@dataclass(frozen=True)
class TurnEffects:
    """What the profiles of a cell had in common, turn by turn.

    Args:
        turns: Positions of the turns.
        effects: Their effects on the logarithm of times, around nothing in particular.
        noise_std: Standard error of each, from what processes have for themselves.
    """

    turns: tuple[int, ...]
    effects: tuple[float, ...]
    noise_std: float


@dataclass(frozen=True)
class SharedError:
    """What the figures of a measurement cannot show, in percent of a time or a rate, at 95 %.

    Args:
        in_turns_pct: Of a profile measured in turns with others.
        alone_pct: Of a measurement in a single stretch.
        n_turns: Turns it was estimated from; 0: the constant.
        is_alone: Whether nothing was measured in turns.
    """

    in_turns_pct: float
    alone_pct: float
    n_turns: int = 0
    is_alone: bool = False

    @classmethod
    def assume(cls, constant_pct: float) -> SharedError:
        """Return the error of a machine of which nothing is known."""
        return cls(constant_pct, ALONE_FACTOR * constant_pct)

    @property
    def alone(self) -> SharedError:
        """The same where nothing is measured in turns."""
        return replace(self, in_turns_pct=self.alone_pct, is_alone=True)

    def over(self, n_turns: int) -> SharedError:
        """The same for a measurement of so many turns; of few, at most that of a single one."""
        return self if n_turns >= N_AVERAGED else self.alone

    def reach_pct(self, *, is_median: bool = False) -> float:
        """Return it for a metric, by whether that is a median latency."""
        is_more = self.is_alone and self.n_turns > 0 and not is_median
        return self.in_turns_pct * (OTHERS_FACTOR if is_more else 1.0)

    @property
    def is_drifting(self) -> bool:
        """Whether the machine was seen to drift more than intervals can be relied on to hold."""
        return self.n_turns > 0 and self.in_turns_pct > STEADY_PCT


def find_turn_effects(times: Sequence[Sequence[float]]) -> TurnEffects | None:
    """Split what turns have in common from what single processes have.

    Medians, so that neither a noisy profile nor a single disturbed process counts for much.

    Args:
        times: One sequence per profile, one positive figure per turn; NaN: none that counts.

    Returns:
        The effects; ``None`` where too few profiles or turns were measured.

    >>> found = find_turn_effects([[1.0, 1.1, 1.0, 1.1], [2.0, 2.2, 2.0, 2.2], [5.0, 5.5, 5, 5.5]])
    >>> found.turns, round(found.effects[1] - found.effects[0], 3)
    ((0, 1, 2, 3), 0.095)
    """
    long_enough = [one for one in times if len(one) >= MIN_TURNS]
    if len(long_enough) < MIN_PROFILES:
        return None
    n_turns = min(map(len, long_enough))
    logs = np.log(np.array([one[:n_turns] for one in long_enough], dtype=np.float64))
    logs = logs[np.isfinite(logs).sum(axis=1) >= MIN_TURNS]
    turns = np.flatnonzero(np.isfinite(logs).sum(axis=0) >= MIN_PROFILES)
    if len(logs) < MIN_PROFILES or len(turns) < MIN_TURNS:
        return None
    logs = logs[:, turns]
    logs -= np.nanmedian(logs, axis=1, keepdims=True)
    effects = np.nanmedian(logs, axis=0)
    n_profiles, n_used = logs.shape
    lost = n_profiles * n_used / ((n_profiles - 1) * (n_used - 1))
    own_std = MAD_TO_STD * float(np.nanmedian(np.abs(logs - effects))) * np.sqrt(lost)
    return TurnEffects(
        tuple(int(turn) for turn in turns),
        tuple(float(effect) for effect in effects),
        float(MEDIAN_TO_MEAN * own_std / np.sqrt(n_profiles)),
    )


def estimate_shared_error(cells: Sequence[TurnEffects], constant_pct: float) -> SharedError:
    """Estimate what all processes of a measurement share.

    Args:
        cells: Turns seen on this machine, by cell.
        constant_pct: Reach to assume before; 0: none is ever added.
    """
    if not cells or not constant_pct > 0:
        return SharedError.assume(constant_pct)
    stds = constant_pct * SCALES
    posterior = _weigh(cells, stds / 100, constant_pct / 100)
    averaged = [_mean_std(one, N_AVERAGED) for one in AUTOCORRELATIONS]
    in_turns, alone = (
        max(FLOOR_SHARE * constant_pct, _reach(np.outer(stds, factors), posterior))
        for factors in (averaged, np.ones(len(averaged)))
    )
    return SharedError(in_turns, alone, sum(len(one.turns) for one in cells))


def _weigh(cells: Sequence[TurnEffects], stds: Figures, constant: float) -> Figures:
    """Return the posterior weights, shape (n standard deviations, n autocorrelations)."""
    prior = -PRIOR_DEGREES * (np.log(stds) + (PRIOR_SCALE * constant / stds) ** 2 / 2)
    logs = np.repeat(prior[:, None], len(AUTOCORRELATIONS), axis=1)
    for cell in cells:
        for i, autocorrelation in enumerate(AUTOCORRELATIONS):
            logs[:, i] += _restricted_likelihood(cell, autocorrelation, stds)
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _restricted_likelihood(cell: TurnEffects, autocorrelation: float, stds: Figures) -> Figures:
    shares, contrast = _find_contrasts(cell.turns, autocorrelation)
    values = contrast @ np.array(cell.effects)
    variances = np.outer(stds**2, shares) + cell.noise_std**2
    return np.asarray(-(np.log(variances) + values**2 / variances).sum(axis=1) / 2)


@functools.cache
def _find_contrasts(turns: tuple[int, ...], autocorrelation: float) -> tuple[Figures, Figures]:
    """Return independent contrasts of turns as rows, and the share of a turn's variance in each."""
    centring = np.eye(len(turns)) - 1 / len(turns)
    correlations = _correlate(np.array(turns), autocorrelation)
    shares, vectors = np.linalg.eigh(centring @ correlations @ centring)
    return shares[1:], vectors.T[1:] @ centring  # the first, the mean, has no variance


def _correlate(turns: npt.NDArray[np.int64], autocorrelation: float) -> Figures:
    lags = np.abs(np.subtract.outer(turns, turns))
    return np.where(lags == 0, 1.0, autocorrelation**lags)


def _mean_std(autocorrelation: float, n_turns: int) -> float:
    """Return the standard deviation of the mean of turns next to each other / that of one."""
    return float(np.sqrt(_correlate(np.arange(n_turns), autocorrelation).mean()))


def _reach(stds_pct: Figures, weights: Figures) -> float:
    """Return what a mixture of centred normal errors exceeds with 5 %."""

    def shortfall(reach: float) -> float:
        ratios = (reach / math.sqrt(2) / stds_pct).ravel()
        return ERROR_SHARE - float(np.dot(weights.ravel(), [math.erfc(one) for one in ratios]))

    return find_crossing(shortfall, 0.0, 10 * float(stds_pct.max()))
