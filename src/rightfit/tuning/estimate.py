"""Estimates with errors: positive numbers known up to a factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Positive quantities whose logarithms have Student-t errors.

    Args:
        value: Medians; NaN for what can't be measured.
        spread: Standard deviations of the logarithms; 0 for what is known exactly, inf for what
            is not known at all. Same shape.
        dof: Degrees of freedom of the errors; inf for normal ones. Same shape.
    """

    value: Floats
    spread: Floats
    dof: Floats

    def end(self, confidence: float, *, high: bool) -> Floats:
        """Return what the quantities stay below (``high``) or above with a probability.

        Of what is not known at all the ends are 0 and inf, whatever the confidence.
        """
        size = self._quantile(confidence) * self.spread
        with np.errstate(over="ignore"):
            ends: Floats = self.value * np.exp(size if high else -size)
        return ends

    def _quantile(self, confidence: float) -> Floats:
        from scipy.special import ndtri, stdtrit

        normal = np.isinf(self.dof)
        t: Floats = stdtrit(np.where(normal, 1.0, self.dof), confidence)
        return np.where(normal, ndtri(confidence), t)


def make_estimate(value: float, spread: float = 0.0, dof: float = math.inf) -> Estimate:
    """Return the estimate of one number; without a spread it is exact."""
    return Estimate(np.asarray(value), np.asarray(spread), np.asarray(dof))


def pool_spread(
    squares: float, n: float, *, prior: float, prior_weight: float
) -> tuple[float, float]:
    """Combine squared deviations with a prior guess of their size (scaled inverse chi-square).

    Args:
        squares: Sum of squared deviations.
        n: Independent deviations among them.
        prior: Guess of one deviation.
        prior_weight: Deviations the guess counts for.

    Returns:
        Standard deviation and its degrees of freedom.

    >>> pool_spread(0.0, 0.0, prior=0.3, prior_weight=2.0)
    (0.3, 2.0)
    """
    dof = prior_weight + max(n, 0.0)
    return math.sqrt((prior_weight * prior**2 + squares) / dof), dof
