from __future__ import annotations

import numpy as np
import pytest
from ranking_factories import hold, make_application, make_profile

from rightfit.ranking.sensitivity.contenders import find_contenders

ROWS = [
    make_profile("a-1", quality=0.9, latency_p50_ms=100),
    make_profile("a-1", quality=0.9, latency_p50_ms=10, runtime="native"),
    make_profile("a-2", quality=0.5, latency_p50_ms=1),
    make_profile("a-3", quality=0.4, latency_p50_ms=10),
    make_profile("a-4", quality=0.9, latency_p50_ms=1, peak_memory_mib=500),
    make_profile("a-5", quality=1.0, latency_p50_ms=1, dataset="flights"),
]


def test_contenders_are_the_undominated_feasible_profiles_of_the_dataset() -> None:
    rows = [row if row["peak_memory_mib"] else row | {"peak_memory_mib": 1} for row in ROWS]
    contest = hold(
        *rows, application=make_application(constraints={"peak_memory_mib": {"max": 100}})
    )

    contenders = find_contenders(contest, 0)

    assert contenders.candidate.tolist() == [0, 1]
    assert contenders.worth == pytest.approx(np.array([[0.9, 0.5], [0.5, 1.0]]))


def test_contenders_worth_is_in_logarithms_where_scores_are_multiplied() -> None:
    contest = hold(ROWS[1], application=make_application(aggregation="geometric"))

    assert find_contenders(contest, 0).worth[:, 0] == pytest.approx(np.log([0.9, 0.5]))
