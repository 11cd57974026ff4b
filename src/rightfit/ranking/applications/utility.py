"""Utility: the value of a profile to an application, in [0, 1], on the application's own bounds.

Fixed bounds make a utility depend on its own profile alone, so adding or removing a candidate never
reverses two others (the idea of SPOTIS: Dezert, Tchamova, Han, Tacnet 2020). Everything is computed
element by element, in the same order for each profile: equal profiles get equal utilities, bit by
bit, wherever they stand in the array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rightfit.ranking.applications.applications import Aggregation, Application, Objective

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Values = Mapping[str, Floats]  # metric -> one value per profile; NaN: not measured

_LEAST_SCORE = float(np.finfo(np.float64).tiny)  # stands for 0 in logarithms


def place_between_bounds(values: Floats, objective: Objective) -> Floats:
    """Place values on the line from ``worst`` (0) to ``best`` (1), without clipping.

    Args:
        values: Metric values, any shape; NaN means not measured.
        objective: Bounds and scale.

    Returns:
        Places, same shape; below 0 is worse than ``worst``, above 1 better than ``best``.
    """
    if objective.scale == "linear":
        return (values - objective.worst) / (objective.best - objective.worst)
    with np.errstate(divide="ignore", invalid="ignore"):  # log 0 = -inf clips; below 0: NaN
        logs: Floats = np.log(values)
    worst, best = np.log(objective.worst), np.log(objective.best)
    placed: Floats = (logs - worst) / (best - worst)
    return placed


def score_metric(values: Floats, objective: Objective) -> Floats:
    """Score a metric in [0, 1]; NaN stays NaN.

    >>> throughput = Objective(weight=1, worst=1e4, best=1e6, scale="log")
    >>> score_metric(np.array([1e3, 1e5, 1e7]), throughput).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    clipped: Floats = np.clip(place_between_bounds(values, objective), 0.0, 1.0)
    return clipped


def score_metrics(values: Values, application: Application) -> list[Floats]:
    """Score every weighted objective of an application.

    Returns:
        Scores in [0, 1], one array per objective, in the order of :meth:`Application.weighted`.
    """
    return [
        score_metric(np.asarray(values[metric], dtype=np.float64), objective)
        for metric, objective in application.weighted().items()
    ]


def make_additive(scores: Floats, aggregation: Aggregation) -> Floats:
    """Return what is summed with the weights: the scores, or logarithms where they are multiplied.

    >>> make_additive(np.array([1.0, 0.5]), "geometric").round(3).tolist()
    [0.0, -0.693]
    """
    if aggregation == "arithmetic":
        return scores
    logs: Floats = np.log(np.maximum(scores, _LEAST_SCORE))
    return logs


def aggregate_scores(scores: Sequence[Floats], shares: Floats, aggregation: Aggregation) -> Floats:
    """Combine scores into utilities.

    Args:
        scores: One array per objective, all of one shape, each value in [0, 1].
        shares: Normalised weights, shape (n_objectives,).
        aggregation: Under the weighted arithmetic mean one metric can compensate for another;
            under the geometric one a score of 0 makes the whole utility 0.

    Returns:
        Utilities in [0, 1], shape of one array of ``scores``; NaN where any score is NaN.

    >>> scores = [np.array([0.25]), np.array([1.0])]
    >>> aggregate_scores(scores, np.array([0.5, 0.5]), "arithmetic").tolist()
    [0.625]
    >>> aggregate_scores(scores, np.array([0.5, 0.5]), "geometric").tolist()
    [0.5]
    """
    total: Floats = np.zeros(scores[0].shape)
    if aggregation == "arithmetic":
        for share, score in zip(shares, scores, strict=True):
            total = total + share * score
        return np.minimum(total, 1.0)  # shares sum to 1 only up to rounding
    with np.errstate(divide="ignore"):  # log 0 = -inf: the utility is 0
        for share, score in zip(shares, scores, strict=True):
            total = total + share * np.log(score)
    combined: Floats = np.exp(total)
    return np.minimum(combined, 1.0)


def compute_utility(values: Values, application: Application) -> Floats:
    """Compute the utility of profiles for one application.

    Args:
        values: One array per metric of the application, all of one shape.
        application: Whose objectives count.

    Returns:
        Utilities in [0, 1]; NaN where an objective's metric was not measured.
    """
    scores = score_metrics(values, application)
    return aggregate_scores(scores, application.shares(), application.aggregation)
