"""How a quality deviates row by row, so that candidates' qualities can be compared in pairs.

Candidates answer the same test rows. What each row, or each resample of the rows, adds to the
deviation of a candidate's raw quality is kept: the squares add up to the variance of that quality,
the products with another candidate's to the covariance
(:mod:`rightfit.ranking.uncertainty.paired_comparison`). In a table they are a text, the largest of
them and half floats in base64, as short as any other column's.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.errors import RightfitError
from rightfit.quality.metric import QualityMetric
from rightfit.quality.scorers import average_ranks
from rightfit.quality.standard_errors import resample, row_effects

Floats = npt.NDArray[np.float64]

MAX_DEVIATIONS = 1_000  # rows beyond are added up in so many groups, the same for all candidates
N_RESAMPLES, N_RESAMPLED_ROWS = 200, 2_000
_SEED = 0  # the same for every candidate, or their rows would not belong together


def find_deviations(
    metric: QualityMetric, labels: npt.NDArray[Any], answers: npt.NDArray[Any]
) -> Floats:
    """Return what rows or resamples add to the deviation of a quality.

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).

    Returns:
        At most ``MAX_DEVIATIONS`` numbers of mean 0, in an order that the labels alone decide; the
        sum of their squares is the variance of the raw quality. For accuracies hits and misses, for
        the ROC AUC DeLong's placements (Biometrics 44, 1988), for other metrics their rows'
        influence, or values of a bootstrap where that is not known.
    """
    effects = find_contributions(metric, labels, answers)
    if effects is None:
        n_drawn = min(len(labels), N_RESAMPLED_ROWS)
        values = resample(
            metric.score, labels, answers, n_draws=N_RESAMPLES, n_rows=n_drawn, seed=_SEED
        )
        effects = values * np.sqrt(n_drawn / len(labels) / N_RESAMPLES)
    elif len(effects) > MAX_DEVIATIONS:
        group = np.random.default_rng(_SEED).permutation(len(effects)) % MAX_DEVIATIONS
        added = np.bincount(group, weights=effects, minlength=MAX_DEVIATIONS)
        effects = added.astype(np.float64)
    centred: Floats = effects - effects.mean()
    return centred


def pack_deviations(deviations: Floats) -> str:
    """Write deviations as a text.

    >>> unpack_deviations(pack_deviations(np.array([0.5, -0.25]))).tolist()
    [0.5, -0.25]
    """
    largest = float(np.abs(deviations).max(initial=0.0)) or 1.0
    halves = (deviations / largest).astype("<f2").tobytes()
    return f"{largest:.6g}:{base64.b64encode(halves).decode('ascii')}"


@lru_cache(maxsize=512)  # one dataset's, read once for each application
def unpack_deviations(text: str) -> Floats:
    """Read what :func:`pack_deviations` wrote; not to be changed in place.

    Raises:
        ValueError: If the text is no number and base64 of half floats.
    """
    largest, _, halves = text.partition(":")
    try:
        read = np.frombuffer(base64.b64decode(halves, validate=True), dtype="<f2")
        return float(largest) * read.astype(np.float64)
    except ValueError as err:
        raise RightfitError(f"quality_deviations have an unknown form: {text[:20]!r}.") from err


def find_contributions(
    metric: QualityMetric, labels: npt.NDArray[Any], answers: npt.NDArray[Any]
) -> Floats | None:
    """Return what each row adds to the deviation of a raw quality.

    Returns:
        Shape (n_rows,), of mean 0, the sum of the squares being the variance of the raw quality;
        ``None`` where no closed form is known.
    """
    if metric.name == "roc_auc":
        return _find_placements(labels, answers[:, 1])
    if metric.name not in ("accuracy", "balanced_accuracy"):
        by_row = row_effects(metric.name, metric.options, labels, answers)
        return None if by_row is None else by_row / len(labels)
    hits: Floats = (metric.decide(answers).argmax(axis=1) == labels).astype(np.float64)
    if metric.name == "accuracy":
        effects: Floats = (hits - hits.mean()) / len(labels)
        return effects
    effects = np.zeros(len(labels))
    classes = np.unique(labels)
    for label in classes:
        of_class = labels == label
        share = 1 / (of_class.sum() * len(classes))
        effects[of_class] = (hits[of_class] - hits[of_class].mean()) * share
    return effects


def _find_placements(labels: npt.NDArray[Any], scores: npt.NDArray[Any]) -> Floats:
    """Return for each row the share of the other class it is ranked above, over its class' size."""
    positive = labels == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks = average_ranks(scores)
    effects: Floats = np.zeros(len(labels))
    above = (ranks[positive] - average_ranks(scores[positive])) / n_negative
    below = 1 - (ranks[~positive] - average_ranks(scores[~positive])) / n_positive
    effects[positive] = (above - above.mean()) / n_positive
    effects[~positive] = (below - below.mean()) / n_negative
    return effects
