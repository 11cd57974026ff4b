from __future__ import annotations

import pytest
from ranking_factories import hold, make_application, make_profile, rank

from rightfit.ranking.sensitivity.weight_space import share_weight_space, tabulate_win_shares

LINEAR = make_application(
    objectives={
        "quality": {"weight": 1, "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
    }
)


def test_share_of_two_candidates_is_the_length_of_their_weights() -> None:
    # scores (0.9, 0.5) and (0.5, 0.7): the first wins while w 0.4 > (1 - w) 0.2, so from w = 1/3
    contest = hold(
        make_profile("a-1", quality=0.9, latency_p50_ms=50),
        make_profile("a-2", quality=0.5, latency_p50_ms=30),
        make_profile("a-3", quality=0.4, latency_p50_ms=60),
        application=LINEAR,
    )

    shares, weights = share_weight_space(contest)

    assert shares == pytest.approx([2 / 3, 1 / 3, 0.0], abs=0.01)
    assert weights[0] == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    assert weights[1] == pytest.approx([1 / 6, 5 / 6], abs=0.01)


def test_share_lets_each_candidate_use_its_best_configuration() -> None:
    contest = hold(
        make_profile("a-1", quality=0.9, latency_p50_ms=90),
        make_profile("a-1", quality=0.2, latency_p50_ms=10, runtime="native"),
        make_profile("a-2", quality=0.4, latency_p50_ms=60),
        application=LINEAR,
    )

    shares, _ = share_weight_space(contest)

    assert shares.tolist() == [1.0, 0.0]


def test_equal_candidates_share_the_space() -> None:
    contest = hold(
        *[make_profile(name, quality=0.5, latency_p50_ms=50) for name in ("a-1", "a-2")],
        application=LINEAR,
    )

    assert share_weight_space(contest)[0] == pytest.approx([0.5, 0.5])


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
