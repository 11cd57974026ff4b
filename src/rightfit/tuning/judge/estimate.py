"""Estimates with errors: positive numbers known up to a factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

N_DRAWS = 256  # enough to see what happens once in a hundred times


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

    def at(self, position: int) -> Estimate:
        """Return a column of quantities."""
        return Estimate(self.value[:, position], self.spread[:, position], self.dof[:, position])

    def draw(self, number: int, *, high: bool) -> Floats:
        """Return the medians and draws of normal errors that all quantities share.

        Expectations would not exist for the long tails of few degrees of freedom.

        Args:
            number: Of the error: other numbers give independent draws, the same one the same.
            high: What is not known at all is drawn as inf, else as 0.

        Returns:
            Shape (1 + N_DRAWS, n_quantities).
        """
        unknown = np.isinf(self.spread)
        errors = draw_normals(number)[:, None] * np.where(unknown, 0.0, self.spread)
        with np.errstate(over="ignore"):
            drawn: Floats = np.atleast_1d(self.value) * np.exp(errors)
        return np.where(unknown, np.inf if high else 0.0, drawn)

    def _quantile(self, confidence: float) -> Floats:
        from scipy.special import ndtri, stdtrit

        normal = np.isinf(self.dof)
        t: Floats = stdtrit(np.where(normal, 1.0, self.dof), confidence)
        return np.where(normal, ndtri(confidence), t)


@lru_cache
def draw_normals(number: int) -> Floats:
    """Return 0 and then the quantiles of the normal distribution, shuffled; always the same."""
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(N_DRAWS) + 0.5) / N_DRAWS)
    return np.concatenate([[0.0], np.random.default_rng(number).permutation(quantiles)])


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
