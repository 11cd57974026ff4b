"""Check a model's predictions where they enter, and compare an export's with the model's own.

A model may answer anything. Unchecked, a prediction of NaN counts as the first class, and a column
too many is never read: the quality would be a number, and mean nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Rows

TOLERANCE = 0.01  # of a probability or a row's sum; half precision rounds to 0.001
MIN_AGREEMENT = 0.999  # share of rows; trees send a row on a threshold either way
MAX_MEAN_DIFFERENCE = 1e-4  # of a probability, or in spreads of the predicted values
MAX_MEAN_ROUNDING = 1e-5  # the same, of a graph that was rewritten
TIE = 1e-5  # classes closer in probability are equally likely: rounding may choose either
# Values agree if they differ by less than a thousandth of their spread (standard deviation over the
# rows): no quality that is written with three digits shows it. Float32 rounds to a ten-millionth of
# a number's own size, and sums of hundreds of terms to a millionth; where that is more than the
# spread allows, as of a model that always answers about the same, it counts as the spread.
VALUE_TOLERANCE = 1e-3
ROUNDING = 1e-6
N_ALONE = 16  # rows that a model answers one by one too
# Of a row's answer alone and among others, as MAX_MEAN_DIFFERENCE. A graph of int8 rounds by the
# range of all values of a call.
MAX_BESIDE_OTHERS = 0.02


def check_predictions(answers: Any, *, n_rows: int, schema: InputSchema) -> npt.NDArray[Any]:
    """Check answers of either task.

    Returns:
        The answers: class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).

    Raises:
        ValueError: If they are not what :func:`check_probabilities` or :func:`check_values` allow.
    """
    if schema.task == "regression":
        return check_values(answers, shape=(n_rows, 1))
    return check_probabilities(answers, n_rows=n_rows, n_classes=schema.n_classes)


def check_probabilities(answers: Any, *, n_rows: int, n_classes: int) -> npt.NDArray[Any]:
    """Check class probabilities.

    Returns:
        The answers, shape (n_rows, n_classes).

    Raises:
        ValueError: If the shape is another, a value is not finite or outside of [0, 1], or the
            probabilities of a row do not sum to 1.

    >>> check_probabilities(np.array([[0.25, 0.75]]), n_rows=1, n_classes=2)
    array([[0.25, 0.75]])
    """
    checked = check_values(answers, shape=(n_rows, n_classes))
    if checked.size and (checked.min() < -TOLERANCE or checked.max() > 1 + TOLERANCE):
        raise ValueError(
            "The model's probabilities must lie in [0, 1], but range from "
            f"{checked.min():.6g} to {checked.max():.6g}. Let the model answer probabilities, "
            "not scores."
        )
    sums = checked.sum(axis=1, dtype=np.float64)
    n_wrong = int((np.abs(sums - 1) > TOLERANCE).sum())
    if n_wrong:
        raise ValueError(
            f"The model's probabilities of a row must sum to 1; those of {n_wrong} of {n_rows} "
            f"rows do not, they sum to {sums.min():.6g} to {sums.max():.6g}."
        )
    return checked


def check_values(answers: Any, *, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Check answers that may be any number, as those of a regression.

    Returns:
        The answers.

    Raises:
        ValueError: If the shape is another, or a value is not a finite number.
    """
    values = np.asarray(answers)
    if values.dtype.kind not in "fiu":
        raise ValueError(f"The model must answer numbers, but answered {values.dtype}.")
    if values.shape != shape:
        raise ValueError(f"The model must answer shape {shape}, but answered {values.shape}.")
    finite = np.isfinite(values)
    if not finite.all():
        n_wrong = int((~finite.reshape(len(values), -1).all(axis=1)).sum())
        raise ValueError(
            f"The model answered NaN or infinity for {n_wrong} of {len(values)} rows; every answer "
            "must be a finite number. Training may have diverged."
        )
    return values


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


def compare_predictions(native: Rows, exported: Rows) -> Parity:
    """Compare two models' answers to the same rows.

    Args:
        native: Class probabilities of the native model, shape (n_rows, n_classes), or its values,
            shape (n_rows, 1).
        exported: Those of the exported one, same shape.

    >>> a = np.array([[0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
    >>> compare_predictions(a, a)["agreement"]
    1.0
    """
    exact = native.astype(np.float64)
    difference = np.abs(exact - exported)
    if native.shape[1] == 1:
        least = float(np.abs(exact).max()) * ROUNDING / MAX_MEAN_DIFFERENCE
        difference /= max(float(exact.std()), least, float(np.finfo(np.float32).tiny))
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


def require_alone(
    predict: Callable[[int, int], Any], among_others: npt.NDArray[Any], *, n_rows: int
) -> None:
    """Refuse a model whose answer to a row depends on the rows beside it.

    Args:
        predict: Answers the rows from a position up to another.
        among_others: Its answers to all rows; what :func:`check_predictions` refuses is left to it.
        n_rows: Number of all rows.

    Raises:
        ValueError: If it answers the first rows otherwise when they come alone.

    >>> rows = np.array([[0.0], [4.0], [8.0]], dtype=np.float32)
    >>> require_alone(lambda start, stop: rows[start:stop], rows, n_rows=3)
    """
    expected = among_others[:N_ALONE]
    if among_others.ndim != 2 or len(among_others) != n_rows or not np.isfinite(expected).all():
        return
    alone = np.concatenate(
        [np.asarray(predict(row, row + 1), dtype=np.float32) for row in range(len(expected))]
    )
    check_values(alone, shape=expected.shape)
    difference = compare_predictions(expected, alone)["mean_difference"]
    if difference > MAX_BESIDE_OTHERS:
        raise ValueError(
            "The model's answer to a row depends on the rows beside it: single rows get others "
            "than rows of a batch. Let it use figures of its training rows in place of the batch's."
        )


def require_each(answers: Any, *, n_rows: int) -> None:
    """Refuse one answer to several rows; what else a model answers is left as it is.

    Raises:
        ValueError: If it is one.

    >>> require_each([0.5, 0.7], n_rows=2)
    """
    shape: tuple[int, ...] = ()
    with contextlib.suppress(ValueError):  # lists of several lengths
        shape = np.shape(answers)
    if n_rows > 1 and (shape[:1] == (1,) or np.isscalar(answers)):
        raise ValueError(f"The model must answer each row, but gave {n_rows} rows one answer.")


def is_rounding(expected: Rows, rewritten: Rows) -> bool:
    """Tell whether a rewritten graph's answers differ from a graph's by rounding alone.

    Rows whose answer was no number may get any.
    """
    if expected.shape != rewritten.shape:
        return False
    was_finite = np.isfinite(expected).all(axis=1)
    if not was_finite.any():
        return True
    parity = compare_predictions(expected[was_finite], rewritten[was_finite])
    return is_same(parity) and parity["mean_difference"] <= MAX_MEAN_ROUNDING


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return class probabilities from scores, shape (n_rows, n_classes).

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: npt.NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares
