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


def test_dominator_is_the_most_preferred_one() -> None:
    gains = np.array([[1.0, 1.0], [2.0, 2.0], [1.0, 3.0], [4.0, 0.0]])

    assert find_dominators(gains, np.array([0.0, 1.0, 2.0, 3.0])).tolist() == [2, -1, -1, -1]
    assert find_dominators(gains, np.array([0.0, 2.0, 1.0, 3.0])).tolist() == [1, -1, -1, -1]


@pytest.mark.parametrize("n", [0, 1])
def test_front_of_few_rows_is_all_of_them(n: int) -> None:
    assert find_pareto_front(np.ones((n, 2))).tolist() == [True] * n
