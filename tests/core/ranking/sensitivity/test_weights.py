from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.rankings import assess, make_application, make_profile, names_in_order, rank
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rightfit.ranking.sensitivity.weights import (
    find_contenders,
    share_weight_space,
    tabulate_weight_intervals,
    tabulate_win_shares,
    walk_envelope,
)

ROWS = [
    make_profile("a-1", quality=0.9, latency_p50_ms=50),
    make_profile("a-2", quality=0.5, latency_p50_ms=30),
    make_profile("a-3", quality=0.4, latency_p50_ms=60),
]
PROFILES = [
    make_profile("a-1", quality=0.9, latency_p50_ms=100),
    make_profile("a-1", quality=0.9, latency_p50_ms=10, runtime="native"),
    make_profile("a-2", quality=0.5, latency_p50_ms=1),
    make_profile("a-3", quality=0.4, latency_p50_ms=10),
    make_profile("a-4", quality=0.9, latency_p50_ms=1, peak_memory_mib=500),
    make_profile("a-5", quality=1.0, latency_p50_ms=1, dataset="flights"),
]
LINEAR = make_application(
    objectives={
        "quality": {"weight": 1, "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
    }
)


def application(quality_weight: float, **changes: Any) -> Any:
    return make_application(
        objectives={
            "quality": {"weight": quality_weight, "worst": 0, "best": 1},
            "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
        },
        **changes,
    )


def test_interval_ends_where_the_lines_cross() -> None:
    # scores (0.9, 0.5) and (0.5, 0.7) cross at a share of 1/3 for quality: a weight of 0.5 to 1
    ranked = rank(*ROWS, application=application(3))

    quality, latency = tabulate_weight_intervals([ranked]).to_dicts()

    assert quality == {
        "application": "test",
        "dataset": "landsat",
        "metric": "quality",
        "leader": "a-1",
        "weight": 3.0,
        "weight_low": pytest.approx(0.5),
        "weight_high": None,
        "share": 0.75,
        "share_low": pytest.approx(1 / 3),
        "share_high": 1.0,
        "leader_below": "a-2",
        "leader_above": None,
    }
    assert latency["weight_low"] is None
    assert latency["weight_high"] == pytest.approx(6.0)
    assert latency["leader_above"] == "a-2"


@pytest.mark.parametrize("aggregation", ["arithmetic", "geometric"])
def test_leader_changes_just_beyond_the_end_and_not_before(aggregation: str) -> None:
    changes = {"aggregation": aggregation}
    row = tabulate_weight_intervals([rank(*ROWS, application=application(3, **changes))]).row(
        0, named=True
    )

    def leader(weight: float) -> str:
        return names_in_order(rank(*ROWS, application=application(weight, **changes)))[0]

    assert leader(row["weight_low"] * 1.001) == row["leader"]
    assert leader(row["weight_low"] * 0.999) == row["leader_below"]


def test_candidate_whose_utility_is_0_leads_under_no_weights() -> None:
    multiplied = application(9, aggregation="geometric")
    too_slow = make_profile("a-5", quality=1.0, latency_p50_ms=100)
    ranked = rank(*ROWS, too_slow, application=multiplied)
    beside_another = rank(
        too_slow,
        make_profile("a-6", quality=0.0, latency_p50_ms=1),
        application=multiplied,
    )

    assert tabulate_weight_intervals([ranked]).row(0, named=True)["leader_above"] is None
    assert tabulate_weight_intervals([beside_another])["leader_below"].to_list() == [None, None]
    assert share_weight_space(beside_another.assessment)[0].tolist() == [0.5, 0.5]


def test_another_configuration_of_the_leader_is_no_change() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=90),
        make_profile("a-1", quality=0.5, latency_p50_ms=10, runtime="native"),
        make_profile("a-2", quality=0.6, latency_p50_ms=60),
        application=application(1),
    )

    table = tabulate_weight_intervals([ranked])

    assert table["leader_above"].to_list() == [None, None]
    assert table["leader_below"].to_list() == [None, None]


def test_a_single_objective_has_all_the_weight() -> None:
    ranked = rank(
        *ROWS,
        application=make_application(objectives={"quality": {"weight": 2, "worst": 0, "best": 1}}),
    )

    row = tabulate_weight_intervals([ranked]).row(0, named=True)

    assert (row["share"], row["weight_low"], row["weight_high"]) == (1.0, None, None)


def test_without_a_feasible_candidate_there_is_no_leader() -> None:
    ranked = rank(*ROWS, application=application(1, constraints={"quality": {"min": 0.95}}))

    table = tabulate_weight_intervals([ranked])

    assert table["leader"].to_list() == [None, None]
    assert table["weight"].to_list() == [1.0, 1.0]


def test_contenders_are_the_undominated_feasible_profiles_of_the_dataset() -> None:
    rows = [row if row["peak_memory_mib"] else row | {"peak_memory_mib": 1} for row in PROFILES]
    assessment = assess(
        *rows, application=make_application(constraints={"peak_memory_mib": {"max": 100}})
    )

    contenders = find_contenders(assessment, 0)

    assert contenders.candidate.tolist() == [0, 1]
    assert contenders.worth == pytest.approx(np.array([[0.9, 0.5], [0.5, 1.0]]))


def test_contenders_worth_is_in_logarithms_where_scores_are_multiplied() -> None:
    assessment = assess(PROFILES[1], application=make_application(aggregation="geometric"))

    assert find_contenders(assessment, 0).worth[:, 0] == pytest.approx(np.log([0.9, 0.5]))


def test_share_of_two_candidates_is_the_length_of_their_weights() -> None:
    # scores (0.9, 0.5) and (0.5, 0.7): the first wins while w 0.4 > (1 - w) 0.2, so from w = 1/3
    assessment = assess(
        make_profile("a-1", quality=0.9, latency_p50_ms=50),
        make_profile("a-2", quality=0.5, latency_p50_ms=30),
        make_profile("a-3", quality=0.4, latency_p50_ms=60),
        application=LINEAR,
    )

    shares, weights = share_weight_space(assessment)

    assert shares == pytest.approx([2 / 3, 1 / 3, 0.0], abs=0.01)
    assert weights[0] == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    assert weights[1] == pytest.approx([1 / 6, 5 / 6], abs=0.01)


def test_share_lets_each_candidate_use_its_best_configuration() -> None:
    assessment = assess(
        make_profile("a-1", quality=0.9, latency_p50_ms=90),
        make_profile("a-1", quality=0.2, latency_p50_ms=10, runtime="native"),
        make_profile("a-2", quality=0.4, latency_p50_ms=60),
        application=LINEAR,
    )

    shares, _ = share_weight_space(assessment)

    assert shares.tolist() == [1.0, 0.0]


def test_equal_candidates_share_the_space() -> None:
    assessment = assess(
        *[make_profile(name, quality=0.5, latency_p50_ms=50) for name in ("a-1", "a-2")],
        application=LINEAR,
    )

    assert share_weight_space(assessment)[0] == pytest.approx([0.5, 0.5])


def test_win_shares_list_the_feasible_and_sum_to_one_in_each_dataset() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=50),
        make_profile("a-2", quality=0.5, latency_p50_ms=1),
        make_profile("a-3", quality=0.1, latency_p50_ms=90),
        make_profile("a-4", quality=0.9, latency_p50_ms=99, dataset="flights"),
        application=make_application(
            constraints={"quality": {"min": 0.2}}, aggregation="geometric"
        ),
    )

    table = tabulate_win_shares([ranked])

    assert table["candidate"].to_list() == ["a-1", "a-2", "a-4"]
    assert table["win_share"][:2].sum() == pytest.approx(1.0)
    assert table["win_share"][2] == 1.0
    central = {one["metric"]: one["weight"] for one in table["central_weights"].to_list()[0]}
    assert set(central) == {"quality", "latency_p50_ms"}
    assert sum(central.values()) == pytest.approx(1.0)


def test_no_feasible_candidate_leaves_no_shares() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.1, latency_p50_ms=50),
        application=make_application(constraints={"quality": {"min": 0.2}}),
    )

    assert tabulate_win_shares([ranked]).height == 0


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


def test_weights_of_very_different_size_have_intervals() -> None:
    three = (
        make_profile("a-1", quality=0.9, latency_p50_ms=92),
        make_profile("a-2", quality=0.15, latency_p50_ms=50),
        make_profile("a-3", quality=0.9, latency_p50_ms=10),
    )
    goals = {
        "quality": {"weight": 1e9, "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": 1e-12, "worst": 100, "best": 0},
    }
    ranked = rank(*three, application=make_application(objectives=goals))

    quality, latency = tabulate_weight_intervals([ranked]).to_dicts()

    assert (quality["share"], latency["share"]) == (1.0, pytest.approx(1e-21))
    assert quality["weight_low"] is None  # no number gives a share that close to 1
