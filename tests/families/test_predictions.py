from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rightfit.families.predictions import check_probabilities, check_values

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
