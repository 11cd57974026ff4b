"""What stored predictions show before one believes a model: hits and misses, calibration, errors.

The figures are those of scikit-learn's functions of the same names, in NumPy alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
N_BINS = 10  # of a calibration curve


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """How often predictions of about the same probability are right.

    Args:
        predicted: Mean probability of each bin that has rows, shape (n_bins,).
        observed: Share of its rows that are of the class, shape (n_bins,).
        n_rows: Rows in it, shape (n_bins,).
    """

    predicted: Floats
    observed: Floats
    n_rows: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision and recall of the second of two classes, by the probability it is answered from.

    Args:
        thresholds: Ascending, shape (n_thresholds,).
        precision: Shape (n_thresholds,).
        recall: Shape (n_thresholds,).
    """

    thresholds: Floats
    precision: Floats
    recall: Floats


def count_confusions(
    targets: npt.NDArray[Any], probabilities: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
    """Count rows by true class (row) and likeliest class (column).

    Args:
        targets: True class positions, shape (n_rows,).
        probabilities: Shape (n_rows, n_classes).
    """
    n_classes = probabilities.shape[1]
    cells = targets.astype(np.int64) * n_classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def trace_calibration(
    targets: npt.NDArray[Any], probabilities: npt.NDArray[Any]
) -> CalibrationCurve:
    """Compare probabilities with what happened, in ten bins of equal width.

    Of two classes, those of the second one are judged; of more, those of the likeliest class.

    Args:
        targets: True class positions, shape (n_rows,).
        probabilities: Shape (n_rows, n_classes).
    """
    if probabilities.shape[1] == 2:
        scores, hits = probabilities[:, 1].astype(float), targets == 1
    else:
        scores = probabilities.max(axis=1).astype(float)
        hits = targets == probabilities.argmax(axis=1)
    bins = np.searchsorted(np.linspace(0, 1, N_BINS + 1)[1:-1], scores)
    n_rows = np.bincount(bins, minlength=N_BINS)
    filled = n_rows > 0
    sums, n_hits = (np.bincount(bins, values, N_BINS)[filled] for values in (scores, hits))
    return CalibrationCurve(sums / n_rows[filled], n_hits / n_rows[filled], n_rows[filled])


def trace_thresholds(targets: npt.NDArray[Any], scores: npt.NDArray[Any]) -> ThresholdCurve:
    """Compute precision and recall at every probability that occurs.

    Args:
        targets: True class positions, 0 or 1, shape (n_rows,).
        scores: Probabilities of class 1, shape (n_rows,).
    """
    order = np.argsort(scores, kind="stable")[::-1]
    ordered = scores[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # row of each threshold
    n_hits = np.cumsum(targets[order] == 1)[last].astype(float)
    recall = n_hits / n_hits[-1] if n_hits[-1] else np.ones_like(n_hits)
    return ThresholdCurve(ordered[last][::-1], (n_hits / (last + 1))[::-1], recall[::-1])
