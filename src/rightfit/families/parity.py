"""Whether an exported model answers as the native one does, within rounding."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from rightfit.families.family import Rows

MIN_AGREEMENT = 0.999  # share of rows; trees send a row on a threshold either way
MAX_MEAN_DIFFERENCE = 1e-4  # of a probability, or in spreads of the predicted values
TIE = 1e-5  # classes closer in probability are equally likely: rounding may choose either
# Values agree if they differ by less than a thousandth of their spread (standard deviation over the
# rows): no quality that is written with three digits shows it. Float32 rounds to a ten-millionth of
# a number's own size, and sums of hundreds of terms to a millionth; where that is more than the
# spread allows, as of a model that always answers about the same, it counts as the spread.
VALUE_TOLERANCE = 1e-3
ROUNDING = 1e-6


class Parity(TypedDict):
    """How two models' answers to the same rows compare.

    ``agreement`` is the share of rows whose predicted class is the same, or one that the native
    model holds equally likely; or whose value is within :data:`VALUE_TOLERANCE` spreads. The
    differences are absolute: of a probability, or in spreads.
    """

    n_rows: int
    agreement: float
    largest_difference: float
    mean_difference: float


def compare_answers(native: Rows, exported: Rows) -> Parity:
    """Compare two models' answers to the same rows.

    Args:
        native: Class probabilities of the native model, shape (n_rows, n_classes), or its values,
            shape (n_rows, 1).
        exported: Those of the exported one, same shape.

    >>> a = np.array([[0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
    >>> compare_answers(a, a)["agreement"]
    1.0
    """
    difference = np.abs(native.astype(np.float64) - exported)
    if native.shape[1] == 1:
        difference /= _measure_spread(native)
        agrees = difference[:, 0] <= VALUE_TOLERANCE
    else:
        chosen = np.take_along_axis(native, exported.argmax(axis=1, keepdims=True), axis=1)[:, 0]
        agrees = native.max(axis=1) - chosen <= TIE
    return {
        "n_rows": len(native),
        "agreement": float(np.mean(agrees)),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
    }


def is_same(parity: Parity) -> bool:
    """Tell whether a comparison allows the export; one of answers that are no numbers does not."""
    return bool(
        parity["agreement"] >= MIN_AGREEMENT and parity["mean_difference"] <= MAX_MEAN_DIFFERENCE
    )


def _measure_spread(values: Rows) -> float:
    exact = values.astype(np.float64)
    return max(
        float(exact.std()),
        float(np.abs(exact).max()) * ROUNDING / MAX_MEAN_DIFFERENCE,
        float(np.finfo(np.float32).tiny),
    )
