from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rightfit.ranking.sensitivity.weights import walk_envelope


@given(
    arrays(np.float64, (8, 2), elements=st.integers(-20, 20).map(float)),
    st.floats(0, 50),
)
def test_walk_names_the_highest_line_everywhere(lines: np.ndarray, place: float) -> None:
    heights, slopes = lines.T
    first = int(np.lexsort((-slopes, -heights))[0])

    line = first
    for distance, following in walk_envelope(heights, slopes, first):
        if distance > place:
            break
        line = following

    at_place = heights + place * slopes
    assert at_place[line] >= at_place.max() - 1e-9


def test_walk_ends_on_the_steepest_line() -> None:
    assert list(walk_envelope(np.array([1.0, 0.0]), np.array([1.0, 1.0]), 0)) == []
