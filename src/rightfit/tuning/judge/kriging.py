"""A Gaussian process over hyper-parameters for what one look at a training adds to the one before.

Two trials are alike when their hyper-parameters are; beside that, the step from look to look may
depend on where it started (a line) and has an average of its own. The size of all that is
integrated out against a prior guess, so predictions are Student-t with as many degrees of freedom
as there is evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.tuning.judge.estimate import pool_spread

Floats = npt.NDArray[np.float64]

FLAT = 10.0  # variance of the average, in units of the variance over hyper-parameters
SLOPE_SPREAD = 1.0  # what one deviation of the start changes, in units of that standard deviation
MIN_START_SPREAD = 0.1  # starts nearer to each other than this show no slope


@dataclass(frozen=True)
class Prior:
    """What is expected before anything was seen.

    Args:
        mean: Of a step.
        spread: Its standard deviation over trials.
        weight: Trials the guess counts for.
    """

    mean: float
    spread: float
    weight: float


@dataclass(frozen=True)
class Gauss:
    """A number that is known up to an error.

    Args:
        mean: What is expected.
        variance: Of the error; 0 where it was seen.
        dof: Degrees of freedom of the error; inf for a normal one.
    """

    mean: float
    variance: float = 0.0
    dof: float = math.inf


class Kriging:
    """Steps of one look.

    Args:
        places: Hyper-parameters on the unit cube, shape (n_trials, n_coordinates).
        starts: Where each trial stood at the look before, shape (n_trials,); zeros before the
            first.
        ends: Where it stood at this look, shape (n_trials,).
        prior: Of the steps.
    """

    def __init__(self, places: Floats, starts: Floats, ends: Floats, prior: Prior) -> None:
        self.starts, self.ends = starts, ends
        self._places = places
        self._prior = prior
        self._steps = ends - starts - prior.mean
        self._centre = float(starts.mean()) if len(starts) else 0.0
        self._scale = max(float(starts.std()) if len(starts) else 0.0, MIN_START_SPREAD)
        self._slopes = SLOPE_SPREAD * (starts - self._centre) / self._scale
        self._squares = (places[:, None, :] - places[None, :, :]) ** 2
        self._weights = np.zeros((0, 0))  # inverse of the covariance between the trials
        self._pull = np.zeros(0)
        self._lengths = np.ones(places.shape[1])
        self._noise = 1.0
        self._variance, self._dof = prior.spread**2, prior.weight

    def fit(self, lengths: Floats, noise: float) -> float:
        """Fit to the trials.

        Args:
            lengths: Distance along each coordinate over which trials are alike.
            noise: Variance between trials of the same hyper-parameters, as a share.

        Returns:
            Logarithm of the evidence for these lengths and this noise, up to a constant.
        """
        self._lengths, self._noise = lengths, noise
        covariance = np.exp(-0.5 * self._squares @ lengths**-2.0)
        covariance += np.outer(self._slopes, self._slopes) + FLAT
        covariance[np.diag_indices(len(covariance))] += noise
        self._weights = np.linalg.inv(covariance)
        self._pull = self._weights @ self._steps
        spread, self._dof = pool_spread(
            float(self._steps @ self._pull),
            len(self._steps),
            prior=self._prior.spread,
            prior_weight=self._prior.weight,
        )
        self._variance = spread**2
        log_determinant = float(np.linalg.slogdet(covariance)[1])
        return -0.5 * (self._dof * math.log(self._variance) + log_determinant)

    def follow(self, place: Floats, start: Gauss) -> Gauss:
        """Predict where a trial will stand.

        Args:
            place: Its hyper-parameters.
            start: Where it stands at the look before, or is predicted to.
        """
        slope = SLOPE_SPREAD * (start.mean - self._centre) / self._scale
        alike = np.exp(-0.5 * ((self._places - place) ** 2) @ self._lengths**-2.0)
        covariance = alike + slope * self._slopes + FLAT
        whole = 1.0 + slope**2 + FLAT + self._noise
        left = max(whole - float(covariance @ self._weights @ covariance), self._noise)
        steepness = 1.0 + SLOPE_SPREAD * float(self._slopes @ self._pull) / self._scale
        return add_variances(
            start.mean + self._prior.mean + float(covariance @ self._pull),
            (steepness**2 * start.variance, start.dof),
            (self._variance * left, self._dof),
        )


def add_variances(mean: float, *parts: tuple[float, float]) -> Gauss:
    """Return the sum of independent errors, each a variance and its degrees of freedom.

    The sum has those of Welch and Satterthwaite (1946).
    """
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Gauss(mean)
    return Gauss(mean, variance, variance**2 / sum(part**2 / dof for part, dof in parts))
