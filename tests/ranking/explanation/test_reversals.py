from __future__ import annotations

from typing import Any

import pytest
from factories.rankings import make_application, make_profile, rank

from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.explanation.reversals import list_reversals, summarise_reversals
from rightfit.ranking.sensitivity.limit_effects import LimitEffect, tabulate_limit_effects
from rightfit.ranking.sensitivity.weights import WeightInterval, tabulate_weight_intervals
from rightfit.typed_tables import read_rows

ROWS = [
    make_profile("a-1", quality=0.9, latency_p50_ms=50),
    make_profile("a-2", quality=0.5, latency_p50_ms=30),
]


def read_sensitivity(
    ranked: list[ApplicationRanking],
) -> tuple[list[WeightInterval], list[LimitEffect]]:
    return (
        read_rows(tabulate_weight_intervals(ranked), WeightInterval),
        read_rows(tabulate_limit_effects(ranked), LimitEffect),
    )


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

    reversals = list_reversals(*read_sensitivity(ranked), winner="a-1")

    assert [(reversal.kind, reversal.metric, reversal.winner) for reversal in reversals] == [
        ("limit", "latency_p50_ms", "a-2"),
        ("weight", "quality", "a-2"),
        ("weight", "latency_p50_ms", "a-2"),
    ]
    assert [reversal.change_pct for reversal in reversals] == pytest.approx(
        [-10, -83.3, 500], abs=0.1
    )
    assert [reversal.sentence for reversal in reversals] == [
        "With the limit tightened to latency p50 at most 46.8 ms (now 52 ms), a-2 wins.",
        "a-2 has the highest utility once the weight of quality falls below 0.5 (now 3).",
        "a-2 has the highest utility once the weight of latency p50 exceeds 6 (now 1).",
    ]
    assert summarise_reversals(reversals, 10) == reversals[0].sentence


def test_limit_that_no_candidate_meets_is_reported() -> None:
    ranked = [
        rank(ROWS[0], application=make_application(constraints={"latency_p50_ms": {"max": 52}}))
    ]

    (reversal,) = list_reversals(*read_sensitivity(ranked), winner="a-1")

    assert reversal.winner is None
    assert reversal.sentence.endswith("at most 46.8 ms (now 52 ms), no candidate qualifies.")


def test_lead_of_the_recommended_candidate_is_no_flip() -> None:
    found = read_sensitivity([rank(*ROWS)])

    assert {reversal.winner for reversal in list_reversals(*found, winner="a-1")} == {"a-2"}
    assert list_reversals(*found, winner="a-2") == []


def test_missing_flip_is_reported() -> None:
    assert summarise_reversals([], 10) == (
        "No single weight up to ten times as large or as small, and no single limit moved by 10 %, "
        "changes the winner."
    )


@pytest.mark.parametrize(
    ("ends", "n_reversals"),
    [
        ({"weight_high": 20.0, "leader_above": "a-2"}, 1),
        ({"weight_high": 20.1, "leader_above": "a-2"}, 0),
        ({"weight_low": 0.2, "leader_below": "a-2"}, 1),
        ({"weight_low": 0.19, "leader_below": "a-2"}, 0),
    ],
)
def test_weight_that_must_change_more_than_tenfold_is_no_flip(
    ends: dict[str, Any], n_reversals: int
) -> None:
    interval = WeightInterval("api", "landsat", "quality", leader="a-1", weight=2.0, **ends)

    assert len(list_reversals([interval], [], winner="a-1")) == n_reversals
