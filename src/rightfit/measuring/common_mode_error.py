"""The common-mode error: what all processes of a measurement share, estimated on the machine.

The machine's speed drifts. Profiles are measured in turns, one process of each in a time block, so
they drift together, and a table of profiles x blocks splits what one block has in common from what
one process has for itself: a model with two crossed factors (Searle, Casella and McCulloch,
Variance Components, 1992), the blocks' effects being a stationary first-order autoregression. A few
blocks tell little of a slow drift, so all that were measured on the machine count together,
and standard deviation and autocorrelation are no point estimates: their restricted likelihood, that
of the contrasts within each table, is weighed with a weak prior on a grid. The half-width is the
95 % quantile of the error that this leaves, so that it is wide where little was seen.

``common_mode_error_pct`` is the half-width until the first blocks were seen, and the scale of the
prior.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rightfit.measuring.distributions import find_crossing

Figures = npt.NDArray[np.float64]

MIN_PROFILES = 3  # fewer do not split a block from its processes
MIN_BLOCKS = 4
N_AVERAGED = 6  # blocks of a measurement, at least
ALONE_FACTOR = 2.5  # of the constant, while nothing else is known
# Blocks are seen by median latencies; of a single stretch, a tail, a rate or a time of loading is
# off by more. Chosen on two recordings of a quiet machine, judged by a third (record_processes.py).
OTHERS_FACTOR = 1.5
FLOOR_SHARE = 1 / 3  # of the constant; no machine is taken for steadier than that
STEADY_PCT = 4.0  # a half-width beyond it is called drifting
ERROR_SHARE = 0.05

AUTOCORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98)  # from block to block
SCALES = np.geomspace(1 / 16, 8, 29)  # standard deviations of a block / common_mode_error_pct
PRIOR_SCALE = 0.5  # the constant is two standard deviations
PRIOR_DEGREES = 1.0  # the least that still has a scale: one block's worth
MAD_TO_STD = 1.4826
MEDIAN_TO_MEAN = 1.2533  # standard error of a median / of a mean, for normal errors


@dataclass(frozen=True)
class BlockEffects:
    """What the profiles of a cell had in common, block by block.

    Args:
        blocks: Positions of the blocks.
        effects: Their effects on the logarithm of times, around nothing in particular.
        noise_std: Standard error of each, from what processes have for themselves.
    """

    blocks: tuple[int, ...]
    effects: tuple[float, ...]
    noise_std: float


@dataclass(frozen=True)
class CommonModeError:
    """What the figures of a measurement cannot show, in percent of a time or a rate, at 95 %.

    Args:
        in_turns_pct: Of a profile measured in turns with others.
        alone_pct: Of a measurement in a single stretch.
        n_blocks: Blocks it was estimated from; 0: the constant.
        is_alone: Whether nothing was measured in turns.
    """

    in_turns_pct: float
    alone_pct: float
    n_blocks: int = 0
    is_alone: bool = False

    @classmethod
    def assume(cls, constant_pct: float) -> CommonModeError:
        """Return the error of a machine of which nothing is known."""
        return cls(constant_pct, ALONE_FACTOR * constant_pct)

    @property
    def alone(self) -> CommonModeError:
        """The same where nothing is measured in turns."""
        return replace(self, in_turns_pct=self.alone_pct, is_alone=True)

    def over(self, n_blocks: int) -> CommonModeError:
        """Return the error of a measurement of so many blocks; of few, that of a single stretch."""
        return self if n_blocks >= N_AVERAGED else self.alone

    def half_width_pct(self, *, is_median: bool = False) -> float:
        """Return the half-width for a metric, by whether that is a median latency."""
        is_more = self.is_alone and self.n_blocks > 0 and not is_median
        return self.in_turns_pct * (OTHERS_FACTOR if is_more else 1.0)

    @property
    def is_drifting(self) -> bool:
        """Whether the machine was seen to drift more than intervals can be relied on to hold."""
        return self.n_blocks > 0 and self.in_turns_pct > STEADY_PCT


def find_block_effects(times: Sequence[Sequence[float]]) -> BlockEffects | None:
    """Split what blocks have in common from what single processes have.

    Medians, so that neither a noisy profile nor a single disturbed process counts for much.

    Args:
        times: One sequence per profile, one positive figure per block; NaN: none that counts.

    Returns:
        The effects; ``None`` where too few profiles or blocks were measured.

    >>> found = find_block_effects([[1.0, 1.1, 1.0, 1.1], [2.0, 2.2, 2.0, 2.2], [5.0, 5.5, 5, 5.5]])
    >>> found.blocks, round(found.effects[1] - found.effects[0], 3)
    ((0, 1, 2, 3), 0.095)
    """
    long_enough = [one for one in times if len(one) >= MIN_BLOCKS]
    if len(long_enough) < MIN_PROFILES:
        return None
    n_blocks = min(map(len, long_enough))
    logs = np.log(np.array([one[:n_blocks] for one in long_enough], dtype=np.float64))
    logs = logs[np.isfinite(logs).sum(axis=1) >= MIN_BLOCKS]
    blocks = np.flatnonzero(np.isfinite(logs).sum(axis=0) >= MIN_PROFILES)
    if len(logs) < MIN_PROFILES or len(blocks) < MIN_BLOCKS:
        return None
    logs = logs[:, blocks]
    logs -= np.nanmedian(logs, axis=1, keepdims=True)
    effects = np.nanmedian(logs, axis=0)
    n_profiles, n_used = logs.shape
    lost = n_profiles * n_used / ((n_profiles - 1) * (n_used - 1))
    own_std = MAD_TO_STD * float(np.nanmedian(np.abs(logs - effects))) * np.sqrt(lost)
    return BlockEffects(
        tuple(int(block) for block in blocks),
        tuple(float(effect) for effect in effects),
        float(MEDIAN_TO_MEAN * own_std / np.sqrt(n_profiles)),
    )


def estimate_common_mode_error(
    cells: Sequence[BlockEffects], constant_pct: float
) -> CommonModeError:
    """Estimate what all processes of a measurement share.

    Args:
        cells: Blocks seen on this machine, by cell.
        constant_pct: Half-width to assume before; 0: none is ever added.
    """
    if not cells or not constant_pct > 0:
        return CommonModeError.assume(constant_pct)
    stds = constant_pct * SCALES
    posterior = _weigh(cells, stds / 100, constant_pct / 100)
    # standard deviations of the mean of blocks next to each other / that of one
    averaged = [np.sqrt(_correlate(np.arange(N_AVERAGED), one).mean()) for one in AUTOCORRELATIONS]
    in_turns, alone = (
        max(FLOOR_SHARE * constant_pct, _half_width(np.outer(stds, factors), posterior))
        for factors in (averaged, np.ones(len(averaged)))
    )
    return CommonModeError(in_turns, alone, sum(len(one.blocks) for one in cells))


def _weigh(cells: Sequence[BlockEffects], stds: Figures, constant: float) -> Figures:
    """Return the posterior weights, shape (n standard deviations, n autocorrelations)."""
    prior = -PRIOR_DEGREES * (np.log(stds) + (PRIOR_SCALE * constant / stds) ** 2 / 2)
    logs = np.repeat(prior[:, None], len(AUTOCORRELATIONS), axis=1)
    for cell in cells:
        for i, autocorrelation in enumerate(AUTOCORRELATIONS):
            shares, contrast = _find_contrasts(cell.blocks, autocorrelation)
            values = contrast @ np.array(cell.effects)
            variances = np.outer(stds**2, shares) + cell.noise_std**2
            # the restricted likelihood: that of the contrasts, which hold no mean
            logs[:, i] += -(np.log(variances) + values**2 / variances).sum(axis=1) / 2
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


@functools.cache
def _find_contrasts(blocks: tuple[int, ...], autocorrelation: float) -> tuple[Figures, Figures]:
    """Return independent contrasts of blocks as rows, and a block's share of variance in each."""
    centring = np.eye(len(blocks)) - 1 / len(blocks)
    correlations = _correlate(np.array(blocks), autocorrelation)
    shares, vectors = np.linalg.eigh(centring @ correlations @ centring)
    return shares[1:], vectors.T[1:] @ centring  # the first, the mean, has no variance


def _correlate(blocks: npt.NDArray[np.int64], autocorrelation: float) -> Figures:
    lags = np.abs(np.subtract.outer(blocks, blocks))
    return np.where(lags == 0, 1.0, autocorrelation**lags)


def _half_width(stds_pct: Figures, weights: Figures) -> float:
    """Return what a mixture of centred normal errors exceeds with 5 %."""

    def shortfall(half_width: float) -> float:
        ratios = (half_width / math.sqrt(2) / stds_pct).ravel()
        return ERROR_SHARE - float(np.dot(weights.ravel(), [math.erfc(one) for one in ratios]))

    return find_crossing(shortfall, 0.0, 10 * float(stds_pct.max()))
