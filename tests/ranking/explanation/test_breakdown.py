from __future__ import annotations

import polars as pl
import pytest
from factories.rankings import around, make_application, make_profile, rank

from rightfit.ranking.explanation.rankings import tabulate_breakdown, tabulate_rankings

ROWS = [
    make_profile("a-1", **around("quality", 0.4, 0.1), latency_p50_ms=10),
    make_profile("a-2", quality=0.8, latency_p50_ms=2),
    make_profile("a-3", quality=0.8, latency_p50_ms=None),
]


@pytest.mark.parametrize("aggregation", ["arithmetic", "geometric"])
def test_contributions_sum_to_the_utility(aggregation: str) -> None:
    ranked = [rank(*ROWS, application=make_application(aggregation=aggregation))]

    sums = (
        tabulate_breakdown(ranked)
        .group_by("candidate", maintain_order=True)
        .agg(
            total=pl.when(pl.col("contribution").is_not_null().all()).then(
                pl.col("contribution").sum()
            )
        )
    )
    rankings = tabulate_rankings(ranked)

    assert sums["candidate"].to_list() == rankings["candidate"].to_list()
    assert sums["total"].to_list() == pytest.approx(rankings["utility"].to_list())


def test_breakdown_shows_value_interval_score_and_share() -> None:
    table = tabulate_breakdown([rank(*ROWS)])

    row = table.filter(candidate="a-1", metric="quality").row(0, named=True)

    assert {key: row[key] for key in ("value", "value_low", "value_high", "score", "share")} == {
        "value": 0.4,
        "value_low": pytest.approx(0.3),
        "value_high": pytest.approx(0.5),
        "score": 0.4,
        "share": 0.5,
    }
    assert row["contribution"] == pytest.approx(0.2)
    assert table.filter(candidate="a-3", metric="latency_p50_ms")["value"].to_list() == [None]
