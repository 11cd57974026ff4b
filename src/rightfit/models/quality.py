"""Quality of predictions: the dataset's own metric, and the same scaled to [0, 1]."""

from __future__ import annotations

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


def _roc_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> float:
    if probabilities.shape[1] != 2:
        raise ValueError(
            f"roc_auc needs two classes, but got {probabilities.shape[1]=}. "
            "Choose accuracy or balanced_accuracy for the dataset in parameters_datasets.yml."
        )
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, probabilities[:, 1]))
