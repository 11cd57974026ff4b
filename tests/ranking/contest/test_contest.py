from __future__ import annotations

import numpy as np
import pytest
from contests import hold, make_application, make_profile


def test_degradation_is_measured_against_the_best_of_the_own_dataset() -> None:
    contest = hold(
        make_profile("a-1", quality=0.90, latency_p50_ms=10, dataset="x"),
        make_profile("a-2", quality=0.84, latency_p50_ms=10, dataset="x"),
        make_profile("a-3", quality=0.60, latency_p50_ms=10, dataset="y"),
        application=make_application(constraints={"quality": {"max_degradation": 0.05}}),
    )

    assert contest.limits[0].bound == pytest.approx([0.85, 0.85, 0.55])
    assert contest.feasible.tolist() == [True, False, True]


def test_candidate_stands_for_the_utility_of_its_chosen_profile() -> None:
    contest = hold(
        make_profile("a-1", quality=0.2, latency_p50_ms=100),
        make_profile("a-1", quality=0.8, latency_p50_ms=100, runtime="native"),
        make_profile("a-2", quality=None, latency_p50_ms=1),
    )

    assert contest.utility[0] == pytest.approx(0.4)
    assert np.isnan(contest.utility[1])
    assert contest.feasible.tolist() == [True, False]
