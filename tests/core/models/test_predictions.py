from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from rightfit.models.predictions import (
    check_probabilities,
    check_values,
    require_alone,
    require_each,
)

GOOD = np.array([[0.2, 0.8], [1.0, 0.0], [0.5, 0.5]], dtype=np.float32)


def test_probabilities_pass_unchanged() -> None:
    assert check_probabilities(GOOD, n_rows=3, n_classes=2) is GOOD


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        (GOOD * np.nan, "NaN or infinity for 3 of 3 rows"),
        (np.where(GOOD == 1, np.inf, GOOD), "NaN or infinity for 1 of 3 rows"),
        (GOOD[:, :1], r"shape \(3, 2\), but answered \(3, 1\)"),
        (GOOD[:, 0], r"shape \(3, 2\), but answered \(3,\)"),
        (np.tile(GOOD, 3), r"shape \(3, 2\), but answered \(3, 6\)"),
        (GOOD[:2], r"shape \(3, 2\), but answered \(2, 2\)"),
        (GOOD * 10 - 5, r"must lie in \[0, 1\], but range from -5 to 5"),
        (GOOD * 0.5, "must sum to 1; those of 3 of 3 rows do not"),
        (GOOD * 0, "must sum to 1"),
        (np.array([["a", "b"]] * 3), "must answer numbers"),
        (GOOD.astype(object), "must answer numbers"),
        (GOOD.astype(complex), "must answer numbers"),
        (None, "must answer numbers"),
    ],
)
def test_other_answers_are_refused_with_the_reason(answers: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_probabilities(answers, n_rows=3, n_classes=2)


def test_any_finite_number_is_a_value() -> None:
    values = np.array([-1e9, 0.0, 7.5])

    assert check_values(values, shape=(3,)) is values
    with pytest.raises(ValueError, match="NaN or infinity for 1 of 3 rows"):
        check_values(np.array([0.0, np.nan, 1.0]), shape=(3,))


@pytest.mark.parametrize("rounding", [0.0, 0.005])
def test_answers_may_be_rounded_otherwise_in_a_batch(rounding: float) -> None:
    rows = np.linspace(0, 1, 40, dtype=np.float32)[:, None]

    def predict(start: int, stop: int) -> np.ndarray:
        second = rows[start:stop] + (0 if stop - start == 1 else rounding)
        return np.concatenate([1 - second, second], axis=1)

    require_alone(predict, predict(0, 40), n_rows=40)


def test_answers_that_depend_on_the_batch_are_refused() -> None:
    rows = np.linspace(0, 1, 40, dtype=np.float32)[:, None]

    def predict(start: int, stop: int) -> np.ndarray:
        return rows[start:stop] - rows[start:stop].mean()

    with pytest.raises(ValueError, match="depends on the rows beside it"):
        require_alone(predict, predict(0, 40), n_rows=40)


@pytest.mark.parametrize(
    ("answers", "is_fine"),
    [
        (np.ones((2, 1)), True),
        ({"a": 1}, True),
        ([[1], [1, 2]], True),
        (np.ones((1, 3)), False),
        (0.5, False),
    ],
)
def test_one_answer_to_two_rows_is_refused(answers: Any, is_fine: bool) -> None:
    context = (
        contextlib.nullcontext()
        if is_fine
        else pytest.raises(ValueError, match="must answer each row")
    )

    with context:
        require_each(answers, n_rows=2)
