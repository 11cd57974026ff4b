from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rightfit.ranking.assessment.pareto import find_dominators, find_pareto_front


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 25), st.integers(1, 4)),
        elements=st.integers(-3, 3).map(float) | st.just(float("inf")),
    )
)
def test_front_is_what_the_definition_says(gains: np.ndarray) -> None:
    better = (gains[:, None] >= gains[None]).all(axis=2) & (gains[:, None] > gains[None]).any(
        axis=2
    )

    assert find_pareto_front(gains).tolist() == (~better.any(axis=0)).tolist()


@pytest.mark.parametrize(
    ("gains", "dominators"),
    [
        ([[1.0, 1.0], [2.0, 2.0], [1.0, 3.0], [4.0, 0.0]], [1, -1, -1, -1]),
        ([[1.0, 1.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]], [1, -1, -1, -1]),
        ([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [2, 2, -1]),  # the second is not on the front
    ],
)
def test_dominator_is_the_first_one_on_the_front(
    gains: list[list[float]], dominators: list[int]
) -> None:
    assert find_dominators(np.array(gains)).tolist() == dominators


@pytest.mark.parametrize("n", [0, 1])
def test_front_of_few_rows_is_all_of_them(n: int) -> None:
    assert find_pareto_front(np.ones((n, 2))).tolist() == [True] * n
