"""Check a model's answers once, where they enter: shape, finiteness, range.

A model may answer anything. Taken as they come, answers of NaN count as the first class, and a
column too many is never looked at: the quality would be a number, and mean nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.schema import InputSchema

TOLERANCE = 0.01  # of a probability or a row's sum; half precision rounds to 0.001


def check_answers(answers: Any, *, n_rows: int, schema: InputSchema) -> npt.NDArray[Any]:
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
    found = np.asarray(answers)
    if found.dtype.kind not in "fiu":
        raise ValueError(f"The model must answer numbers, but answered {found.dtype}.")
    if found.shape != shape:
        raise ValueError(f"The model must answer shape {shape}, but answered {found.shape}.")
    finite = np.isfinite(found)
    if not finite.all():
        n_wrong = int((~finite.reshape(len(found), -1).all(axis=1)).sum())
        raise ValueError(
            f"The model answered NaN or infinity for {n_wrong} of {len(found)} rows; every answer "
            "must be a finite number. Training may have diverged."
        )
    return found
