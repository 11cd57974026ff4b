"""Quality of predictions: the dataset's own metric, and the same scaled to [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

QualityName = Literal["accuracy", "balanced_accuracy", "roc_auc"]


@dataclass(frozen=True)
class QualityMetric:
    """A dataset's quality metric with the bounds that make it comparable across datasets.

    Args:
        name: Metric of scikit-learn's meaning of the word; higher is better for all of them.
        worst: Raw value that counts as quality 0.
        best: Raw value that counts as quality 1; greater than ``worst``.
    """

    name: QualityName
    worst: float
    best: float

    def scale(self, raw: float) -> float:
        """Scale a raw value linearly to [0, 1], clipped at both ends.

        >>> QualityMetric("accuracy", worst=0.5, best=1.0).scale(0.75)
        0.5
        """
        return min(1.0, max(0.0, (raw - self.worst) / (self.best - self.worst)))

    def scaled_error(self, raw: float, counts: npt.NDArray[np.int64]) -> float:
        """Return the standard error of the scaled quality, see :func:`standard_error`."""
        return standard_error(self.name, raw, counts) / (self.best - self.worst)


def score(
    name: QualityName, labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]
) -> float:
    """Compute a raw quality metric from class probabilities.

    Args:
        name: Which metric.
        labels: True class positions, shape (n_rows,).
        probabilities: Class probabilities, shape (n_rows, n_classes). The predicted class is the
            first one with the highest probability; ``roc_auc`` uses the last column of two.

    Returns:
        The metric; higher is better.

    Raises:
        ValueError: If ``roc_auc`` is asked of more than two classes, or of one class only.

    >>> score("accuracy", np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]], dtype=np.float32))
    0.5
    """
    if name == "roc_auc":
        return _roc_auc(labels, probabilities)
    hits = probabilities.argmax(axis=1) == labels
    if name == "accuracy":
        return float(hits.mean())
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


def standard_error(name: QualityName, raw: float, counts: npt.NDArray[np.int64]) -> float:
    """Return by how much a raw quality varies over samples of rows of this size.

    Shares of hits are binomial; of a balanced accuracy every class is taken to have the same. For
    the ROC AUC it is Hanley and McNeil's formula (Radiology 143, 1982), which is somewhat too large
    for well separated classes (at 0.92 by a quarter).

    Args:
        name: Which metric.
        raw: Its value.
        counts: Rows of each class.

    >>> round(standard_error("accuracy", 0.9, np.array([40, 60])), 4)
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


def _roc_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> float:
    if probabilities.shape[1] != 2:
        raise ValueError(
            f"roc_auc needs two classes, but got {probabilities.shape[1]=}. "
            "Choose accuracy or balanced_accuracy for the dataset in parameters_datasets.yml."
        )
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, probabilities[:, 1]))
