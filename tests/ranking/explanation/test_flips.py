from __future__ import annotations

import pytest
from contests import make_application, make_profile, rank

from rightfit.ranking.explanation.flips import list_flips, summarise_flips
from rightfit.ranking.sensitivity.limit_shadows import tabulate_limit_shadows
from rightfit.ranking.sensitivity.weight_intervals import tabulate_weight_intervals

ROWS = [
    make_profile("a-1", quality=0.9, latency_p50_ms=50),
    make_profile("a-2", quality=0.5, latency_p50_ms=30),
]


def test_flips_come_with_the_smallest_change_first() -> None:
    ranked = [
        rank(
            *ROWS,
            application=make_application(
                objectives={
                    "quality": {"weight": 3, "worst": 0, "best": 1},
                    "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
                },
                constraints={"latency_p50_ms": {"max": 52}},
            ),
        )
    ]

    flips = list_flips(
        tabulate_weight_intervals(ranked), tabulate_limit_shadows(ranked), winner="a-1"
    )

    assert [(flip["kind"], flip["metric"], flip["winner"]) for flip in flips] == [
        ("limit", "latency_p50_ms", "a-2"),
        ("weight", "quality", "a-2"),
        ("weight", "latency_p50_ms", "a-2"),
    ]
    assert [flip["change_pct"] for flip in flips] == pytest.approx([-10, -83.3, 500], abs=0.1)
    assert [flip["sentence"] for flip in flips] == [
        "Tightening the limit max latency_p50_ms from 52 to 46.8 lets a-2 win.",
        "a-2 takes the lead once the weight of quality falls below 0.5 (now 3).",
        "a-2 takes the lead once the weight of latency_p50_ms exceeds 6 (now 1).",
    ]
    assert summarise_flips(flips, 10) == flips[0]["sentence"]


def test_a_limit_that_shuts_everybody_out_is_said_so() -> None:
    ranked = [
        rank(ROWS[0], application=make_application(constraints={"latency_p50_ms": {"max": 52}}))
    ]

    (flip,) = list_flips(
        tabulate_weight_intervals(ranked), tabulate_limit_shadows(ranked), winner="a-1"
    )

    assert flip["winner"] is None
    assert flip["sentence"].endswith("from 52 to 46.8 leaves no candidate that qualifies.")


def test_the_lead_of_who_is_recommended_already_is_no_flip() -> None:
    ranked = [rank(*ROWS)]
    intervals, shadows = tabulate_weight_intervals(ranked), tabulate_limit_shadows(ranked)

    assert {flip["winner"] for flip in list_flips(intervals, shadows, winner="a-1")} == {"a-2"}
    assert list_flips(intervals, shadows, winner="a-2") == []


def test_no_flip_is_said_so() -> None:
    assert summarise_flips([], 10) == (
        "No change of a single weight, and none of a single limit by 10 %, changes the winner."
    )
