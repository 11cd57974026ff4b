"""The expected utility of each trial of a search to one application.

A trial in training is uncertain in its quality, a trained one in what it will cost to serve. Each
uncertainty is a fixed set of quantiles, so nothing is drawn at random. The quantiles have heavy
tails (Student's t): searches surprise more often than a normal distribution says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import THREADS, Application
from rightfit.ranking.applications.constraints import (
    measure_excess,
    meets,
    relate_excess,
    resolve_limits,
)
from rightfit.ranking.applications.utility import compute_utility
from rightfit_search.searching.pausing.costs import ServingCosts
from rightfit_search.searching.pausing.observed import ObservedTrial

Floats = npt.NDArray[np.float64]

QUALITY = "quality"
N_QUANTILES = 25
# Chosen on 2026-11-25 on benchmarks/recorded and six of the foreign datasets, see the docs.
DEGREES_OF_FREEDOM = 3.0
WIDTH = 1.25  # in standard deviations of what was seen to happen

LEVELS: Floats = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
SURPRISES: Floats = WIDTH * stdtrit(DEGREES_OF_FREEDOM, LEVELS)  # of what training comes to
ERRORS: Floats = ndtri(LEVELS)  # of what a model costs


@dataclass(frozen=True)
class ProfileForecast:
    """What is known of the final profiles of all trials.

    Args:
        metrics: Quantiles of each metric, shape (n_trials, n_servings, N_QUANTILES), of the quality
            (n_trials, 1, N_QUANTILES); NaN where something can't be measured.
        bounds: The same metrics as limits see them. A limit of costs that a trial in training
            breaks by no more than the error of its prediction counts as kept.
        quality_error: Standard error of a validated quality, shape (n_trials, 1, 1).
        n_servings: Serving configurations.
        best_quality: Highest quality expected or known.
    """

    metrics: Mapping[str, Floats]
    bounds: Mapping[str, Floats]
    quality_error: Floats
    n_servings: int
    best_quality: float


class Miss(NamedTuple):
    """How a trial misses a limit: its place, the metric, the value expected, and the limit."""

    row: int
    metric: str
    value: float
    bound: float


@dataclass(frozen=True)
class ExpectedUtility:
    """The utility of each trial to one application, as a distribution.

    Args:
        quantiles: Utility at each quantile, 0 where a limit is broken; shape (n_trials, n_servings,
            N_QUANTILES).
        chance: Largest share of quantiles at which a trial keeps all limits.
        excess: Sum of the shares by which limits are broken at the median, shape (n_trials,
            n_servings).
        nearest: The trial that breaks them by the least; ``None`` where one keeps all of them or
            nothing is known.
    """

    quantiles: Floats
    chance: float
    excess: Floats
    nearest: Miss | None


def describe_costs(
    trial: ObservedTrial, metrics: Sequence[str], servings: Sequence[Serving], costs: ServingCosts
) -> Floats:
    """Collect what is known of a finished trial's metrics.

    Args:
        trial: With at least one look at its training.
        metrics: All that applications need, without the quality.
        servings: Serving configurations.
        costs: Predicts what serving costs.

    Returns:
        Values (NaN for what can't be measured) and errors of their logarithms, 0 for what is known;
        shape (2, n_servings, n_metrics).
    """
    forecast = np.zeros((2, len(servings), len(metrics)))
    for column, serving in enumerate(servings):
        for index, metric in enumerate(metrics):
            if metric == THREADS:
                forecast[0, column, index] = serving.n_threads
            elif metric in trial.last.fit:
                forecast[0, column, index] = trial.last.fit[metric] or np.nan
            else:
                forecast[:, column, index] = costs.predict(trial.last.structure, serving, metric)
    return forecast


def forecast_profiles(
    trials: Sequence[ObservedTrial],
    quality: tuple[Floats, Floats],
    metrics: Sequence[str],
    costs: Sequence[Floats],
    *,
    n_servings: int,
    known_quality: float,
) -> ProfileForecast:
    """Collect what is known of all trials.

    Args:
        trials: Each with at least one look at its training.
        quality: Expected final quality and its standard deviation, of each trial.
        metrics: All that applications need, without the quality.
        costs: Of each trial, from :func:`describe_costs`.
        n_servings: Serving configurations.
        known_quality: Best quality known from elsewhere; -inf for none.
    """
    expected, spread = quality
    cost_table = np.array(costs)
    values = {metric: cost_table[:, 0, :, index] for index, metric in enumerate(metrics)}
    errors = {metric: cost_table[:, 1, :, index] for index, metric in enumerate(metrics)}
    is_trained = (spread == 0)[:, None, None]
    is_lower_better = {m: m == THREADS or METRICS_BY_COLUMN[m].better == "lower" for m in metrics}
    signs = {m: -1.0 if is_lower_better[m] else 1.0 for m in metrics}
    qualities = expected[:, None, None] + spread[:, None, None] * SURPRISES

    def move(n_errors: Floats) -> dict[str, Floats]:
        return {QUALITY: qualities} | {
            m: v[:, :, None] * np.exp(signs[m] * errors[m][:, :, None] * n_errors)
            for m, v in values.items()
        }

    return ProfileForecast(
        move(np.where(is_trained, ERRORS, 0.0)),
        move(np.where(is_trained, ERRORS, 1.0)),
        np.array([trial.last.quality_error for trial in trials])[:, None, None],
        n_servings,
        max(float(expected.max()), known_quality),
    )


def estimate_utility(forecast: ProfileForecast, application: Application) -> ExpectedUtility:
    """Estimate the utility of each trial to an application."""
    best = {QUALITY: np.asarray(forecast.best_quality), "quality_raw": np.asarray(-np.inf)}
    limits = resolve_limits(application, best)
    utility = compute_utility(forecast.metrics, application)
    shape = (len(forecast.quality_error), forecast.n_servings)
    is_feasible = np.broadcast_to(~np.isnan(utility), (*shape, N_QUANTILES)).copy()
    for limit in limits:
        is_feasible &= meets(limit, forecast.bounds[limit.metric])
    chance = is_feasible.mean(axis=2).max(axis=1)
    quantiles = np.where(is_feasible, utility, 0.0)
    for limit in limits:
        if limit.metric == QUALITY:
            # times the probability that a validated quality keeps its limit on other rows
            quality, error = forecast.metrics[QUALITY], forecast.quality_error
            room = quality - limit.bound if limit.is_floor else limit.bound - quality
            with np.errstate(divide="ignore", invalid="ignore"):
                quantiles = quantiles * np.where(error > 0, ndtr(room / error), 1.0)
    # by how much limits are broken at the median, and the trial that does so least
    middle = N_QUANTILES // 2
    medians = [
        np.broadcast_to(forecast.metrics[limit.metric][:, :, middle], shape) for limit in limits
    ]
    shares = [
        relate_excess(measure_excess(values, limit), limit)
        for limit, values in zip(limits, medians, strict=True)
    ]
    excess = np.zeros(shape) + sum(shares)
    excess = np.where(np.isnan(excess), np.inf, excess)
    row, column = np.unravel_index(int(np.argmin(excess)), excess.shape)
    nearest = None
    if 0 < excess[row, column] < np.inf:
        worst = int(np.argmax([share[row, column] for share in shares]))
        limit, value = limits[worst], medians[worst][row, column]
        nearest = Miss(int(row), limit.metric, float(value), float(limit.bound))
    return ExpectedUtility(quantiles, float(chance.max()), excess, nearest)
