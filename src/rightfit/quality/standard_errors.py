"""By how much a raw quality varies over samples of rows: closed forms, else a bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.quality.scorers import Option

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Metrics with a formula of their own.
REGRESSION = (
    "neg_mean_absolute_error",
    "neg_mean_pinball_loss",
    "neg_mean_squared_error",
    "neg_root_mean_squared_error",
    "r2",
)
SHARES = ("accuracy", "balanced_accuracy", "roc_auc")
N_DRAWS, N_DRAWN_ROWS = 24, 1_000  # for an error within a sixth, in some milliseconds a look
_SEED = 0


def standard_error(
    name: str,
    options: Mapping[str, Option],
    score: Callable[[Array, Array], float],
    labels: Array,
    answers: Array,
) -> float:
    """Return the standard error of a raw quality, roughly where no closed form is known.

    Args:
        name: The metric, none of :data:`SHARES`.
        options: Its options.
        score: Computes it.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).
    """
    effects = row_effects(name, options, labels, answers)
    if effects is not None:
        return float(effects.std() / math.sqrt(len(effects)))
    drawn = min(len(labels), N_DRAWN_ROWS)
    values = resample(score, labels, answers, n_draws=N_DRAWS, n_rows=drawn, seed=_SEED)
    return float(values.std(ddof=1)) * math.sqrt(drawn / len(labels))


def share_error(name: str, raw: float, counts: npt.NDArray[np.int64]) -> float:
    """Return the standard error of a share of rows or pairs that are answered rightly.

    Shares of hits are binomial; of a balanced accuracy every class is taken to have the same. For
    the ROC AUC it is Hanley and McNeil's formula (Radiology 143, 1982), which is somewhat too large
    for well separated classes (at 0.92 by a quarter).

    >>> round(share_error("accuracy", 0.9, np.array([40, 60])), 4)
    0.03
    """
    counts = counts[counts > 0]
    hit_variance = max(raw * (1 - raw), 0.0)
    if name == "accuracy":
        return math.sqrt(hit_variance / counts.sum())
    if name == "balanced_accuracy":
        return math.sqrt(hit_variance * (1 / counts).sum()) / len(counts)
    n_negative, n_positive = counts
    above_two = raw / (2 - raw)  # chance that a positive ranks above two negatives
    below_two = 2 * raw**2 / (1 + raw)
    variance = (
        hit_variance
        + (n_positive - 1) * (above_two - raw**2)
        + (n_negative - 1) * (below_two - raw**2)
    ) / (n_positive * n_negative)
    return math.sqrt(max(variance, 0.0))


def row_effects(
    name: str, options: Mapping[str, Option], labels: Array, answers: Array
) -> Floats | None:
    """Return what each row adds to a metric's deviation: its empirical influence.

    The standard deviation of these over the square root of their number is the metric's standard
    error (delta method; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 21).

    Args:
        name: The metric.
        options: Its options.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).

    Returns:
        Shape (n_rows,), with mean 0; ``None`` where no closed form is known.
    """
    if name == "neg_log_loss":
        chosen = np.take_along_axis(answers, labels[:, None], axis=1)[:, 0].astype(np.float64)
        return _centred(np.log(np.clip(chosen, np.finfo(np.float32).eps, 1)))
    if name not in REGRESSION:
        return None
    error = labels - answers[:, 0].astype(np.float64)
    if name == "neg_mean_absolute_error":
        return _centred(-np.abs(error))
    if name == "neg_mean_pinball_loss":
        alpha = float(options.get("alpha", 0.5))
        return _centred(-np.where(error > 0, alpha * error, (alpha - 1) * error))
    squared = error**2
    mean = float(squared.mean())
    if name == "neg_mean_squared_error" or not mean:
        return _centred(-squared)
    if name == "neg_root_mean_squared_error":
        return _centred(-squared) / (2 * math.sqrt(mean))
    spread = (labels - labels.mean()) ** 2  # r2 = 1 - mean(squared) / mean(spread)
    variance = float(spread.mean())
    effects: Floats = (spread * mean / variance - squared) / variance
    return effects


def resample(
    score: Callable[[Array, Array], float],
    labels: Array,
    answers: Array,
    *,
    n_draws: int,
    n_rows: int,
    seed: int,
) -> Floats:
    """Compute a metric on rows drawn with replacement, of each class its share.

    Args:
        score: The metric.
        labels: True class positions or values, shape (n,).
        answers: The answers, shape (n, n_outputs).
        n_draws: Number of draws.
        n_rows: Rows a draw, about; each class keeps one at least.
        seed: Seed of the draws.

    Returns:
        Values of the metric, shape (n_draws,).
    """
    generator = np.random.default_rng(seed)
    is_class = labels.dtype.kind in "iu"
    strata = (
        [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if is_class
        else [np.arange(len(labels))]
    )
    sizes = [max(1, round(n_rows * len(rows) / len(labels))) for rows in strata]
    values = []
    for _ in range(n_draws):
        drawn = np.concatenate(
            [generator.choice(rows, size=size) for rows, size in zip(strata, sizes, strict=True)]
        )
        values.append(score(labels[drawn], answers[drawn]))
    return np.array(values)


def _centred(effects: Floats) -> Floats:
    centred: Floats = effects - effects.mean()
    return centred
