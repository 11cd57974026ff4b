from __future__ import annotations

import polars as pl
import pytest
from factories.rankings import around, make_application, make_profile, rank

from rightfit.ranking.explanation.rankings import (
    COLUMNS,
    tabulate_breakdown,
    tabulate_rankings,
    tabulate_robust_choices,
)


def test_rankings_have_the_contract_and_the_order_of_the_ranks() -> None:
    ranked = rank(
        make_profile("b-1", quality=0.5, latency_p50_ms=10, dataset="y"),
        make_profile("b-2", quality=0.9, latency_p50_ms=10, dataset="y"),
        make_profile("a-1", quality=0.9, latency_p50_ms=10, dataset="x"),
    )

    rankings = tabulate_rankings([ranked, ranked])

    assert rankings.columns == list(COLUMNS)
    assert rankings["candidate"].to_list() == ["b-2", "b-1", "a-1"] * 2
    assert rankings["rank"].to_list() == [1, 2, 1] * 2
    assert rankings.row(0, named=True) == {
        "application": "test",
        "dataset": "y",
        "rank": 1,
        "candidate": "b-2",
        "model": "b",
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
        "request_path": "model",
        "feeding_ms": None,
        "settings": None,
        "utility": pytest.approx(0.7),
        "utility_low": pytest.approx(0.7),
        "utility_high": pytest.approx(0.7),
        "feasible": True,
        "violations": [],
        "pareto": True,
        "hardware_tier": "micro",
        "reason": "highest utility 0.700 against 0.500 of b-1; ahead most on scaled quality "
        "(0.9 against 0.5)",
        "p_best": 1.0,
        "outcome": "winner",
        "quality_metric": None,
        "quality_raw": None,
        "quality_raw_low": None,
        "quality_raw_high": None,
    }
    assert {rankings.schema[name] for name in ("dataset", "model")} == {pl.String()}


def test_violations_are_named_with_bound_and_excess() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=30),
        make_profile("a-2", quality=0.5, latency_p50_ms=30),
        make_profile("a-3", quality=0.9, latency_p50_ms=10),
        application=make_application(
            constraints={"latency_p50_ms": {"max": 20}, "quality": {"max_degradation": 0.3}}
        ),
    )

    rankings = tabulate_rankings([ranked])
    violations = {row["candidate"]: row["violations"] for row in rankings.to_dicts()}

    assert violations["a-3"] == []
    assert violations["a-1"] == [
        {
            "metric": "latency_p50_ms",
            "kind": "max",
            "bound": 20.0,
            "value": 30.0,
            "excess": 10.0,
            "relative": 0.5,
        }
    ]
    assert [v["metric"] for v in violations["a-2"]] == ["latency_p50_ms", "quality"]
    assert violations["a-2"][1]["bound"] == pytest.approx(0.6)
    assert violations["a-2"][1]["excess"] == pytest.approx(0.1)


def test_what_was_not_measured_is_null_and_never_feasible() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=None),
        make_profile("a-2", quality=0.9, latency_p50_ms=1, peak_memory_mib=None),
        make_profile("a-3", quality=0.1, latency_p50_ms=99, peak_memory_mib=1),
        application=make_application(constraints={"peak_memory_mib": {"max": 20}}),
    )

    by_name = {row["candidate"]: row for row in tabulate_rankings([ranked]).to_dicts()}

    assert by_name["a-3"]["rank"] == 1
    assert by_name["a-1"]["utility"] is None
    assert by_name["a-1"]["utility_low"] is None
    assert not by_name["a-1"]["feasible"]
    assert not by_name["a-2"]["feasible"]
    assert by_name["a-2"]["violations"] == [
        {
            "metric": "peak_memory_mib",
            "kind": "max",
            "bound": 20.0,
            "value": None,
            "excess": None,
            "relative": None,
        }
    ]


def test_utility_interval_stays_within_zero_and_one() -> None:
    ranked = rank(
        make_profile("a-1", **around("quality", 0.95, 0.2), latency_p50_ms=1),
        make_profile("a-2", **around("quality", 0.05, 0.2), latency_p50_ms=100),
    )

    rankings = tabulate_rankings([ranked])

    assert rankings["utility_high"].to_list() == [1.0, pytest.approx(0.125)]
    assert rankings["utility_low"].to_list() == [pytest.approx(0.875), 0.0]


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


QUALITY = {
    ("x", "net-1"): 0.9,
    ("x", "net-2"): 0.8,
    ("x", "forest-1"): 0.7,
    ("x", "linear-1"): 0.3,
    ("y", "net-1"): 0.2,
    ("y", "forest-1"): 0.8,
    ("y", "linear-1"): 0.9,
}


def test_robust_choice_is_the_family_whose_worst_rank_is_best() -> None:
    ranked = rank(
        *(
            make_profile(name, dataset=dataset, quality=quality, latency_p50_ms=1)
            for (dataset, name), quality in QUALITY.items()
        )
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table.select("model", "n_feasible", "mean_rank", "worst_rank").rows() == [
        ("forest", 2, 2.0, 2),
        ("linear", 2, 2.0, 3),
        ("net", 2, 2.0, 3),
    ]
    assert table["is_robust_choice"].to_list() == [True, False, False]
    assert table["won"].to_list() == [[], ["y"], ["x"]]


def test_robust_choice_qualifies_on_the_most_datasets() -> None:
    ranked = rank(
        *(
            make_profile(name, dataset=dataset, quality=quality, latency_p50_ms=1)
            for (dataset, name), quality in QUALITY.items()
        ),
        application=make_application(constraints={"quality": {"min": 0.85}}),
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table.select("model", "n_feasible", "worst_rank").rows() == [
        ("linear", 1, 3),
        ("net", 1, 3),
        ("forest", 0, 2),
    ]


def test_without_a_feasible_family_there_is_no_robust_choice() -> None:
    ranked = rank(
        make_profile("net-1", quality=0.5, latency_p50_ms=1),
        application=make_application(constraints={"quality": {"min": 0.75}}),
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table["is_robust_choice"].to_list() == [False]
    assert table["won"].to_list() == [[]]
