from __future__ import annotations

from typing import Any

import pytest
from ranking_factories import make_application, make_profile, names_in_order, rank

from rightfit.ranking.sensitivity.weight_intervals import tabulate_weight_intervals

ROWS = [
    make_profile("a-1", quality=0.9, latency_p50_ms=50),
    make_profile("a-2", quality=0.5, latency_p50_ms=30),
    make_profile("a-3", quality=0.4, latency_p50_ms=60),
]


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
