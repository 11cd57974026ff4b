from __future__ import annotations

import polars as pl
import pytest
from factories.rankings import around, make_application, make_profile, rank

from rightfit.ranking.explanation.rankings import COLUMNS, tabulate_rankings


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
        "rank_low": 1,
        "rank_high": 1,
        "candidate": "b-2",
        "model": "b",
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
        "request_path": "model",
        "encoding_ms": None,
        "settings": None,
        "utility": pytest.approx(0.7),
        "utility_low": pytest.approx(0.7),
        "utility_high": pytest.approx(0.7),
        "feasible": True,
        "violations": [],
        "pareto": True,
        "hardware_tier": "micro",
        "reason": "highest utility 0.7 against 0.5 of b-1; ahead most on scaled quality "
        "(0.9 against 0.5)",
        "p_best": 1.0,
        "outcome": "winner",
    }
    assert {rankings.schema[name] for name in ("dataset", "model")} == {pl.String()}


def test_violations_are_named_with_limit_and_amount() -> None:
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
            "limit": 20.0,
            "value": 30.0,
            "amount": 10.0,
            "relative": 0.5,
        }
    ]
    assert [v["metric"] for v in violations["a-2"]] == ["latency_p50_ms", "quality"]
    assert violations["a-2"][1]["limit"] == pytest.approx(0.6)
    assert violations["a-2"][1]["amount"] == pytest.approx(0.1)


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
            "limit": 20.0,
            "value": None,
            "amount": None,
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
