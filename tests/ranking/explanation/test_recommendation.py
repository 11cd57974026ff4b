from __future__ import annotations

import json
from typing import Any

from factories.rankings import around, make_application, make_profile, rank

from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.explanation.decisions import (
    Recommendations,
    read_recommendations,
    write_recommendations,
)
from rightfit.ranking.explanation.rankings import tabulate_rankings, tabulate_robust_choices
from rightfit.ranking.explanation.recommendation import Sensitivities, recommend
from rightfit.ranking.sensitivity.limit_effects import tabulate_limit_effects
from rightfit.ranking.sensitivity.weights import tabulate_weight_intervals


def recommend_ranked(*ranked: ApplicationRanking) -> Recommendations:
    tables = Sensitivities(
        tabulate_weight_intervals([*ranked]),
        tabulate_limit_effects([*ranked]),
        tabulate_robust_choices(tabulate_rankings([*ranked])),
    )
    return recommend([*ranked], tables)


def recommend_for(*rows: dict[str, Any], **constraints: dict[str, float]) -> dict[str, Any]:
    ranked = rank(*rows, application=make_application(constraints=constraints))
    found: dict[str, Any] = json.loads(
        json.dumps(write_recommendations(recommend_ranked(ranked)), allow_nan=False)
    )
    return found["test"]  # type: ignore[no-any-return]


ROWS = [
    make_profile("net-1", quality=0.9, latency_p50_ms=50, peak_memory_mib=12.5),
    make_profile("forest-1", quality=0.5, latency_p50_ms=30),
    make_profile("linear-1", quality=0.3, latency_p50_ms=5),
]


def test_recommendation_names_winner_runner_up_and_reversal() -> None:
    found = recommend_for(*ROWS)
    decision = found["datasets"]["landsat"]

    assert found["scenario"] == "single_stream"
    assert decision["outcome"] == "winner"
    assert decision["winner"]["candidate"] == "net-1"
    assert decision["winner"]["hardware_tier"] == "micro"
    assert decision["winner"]["metrics"]["peak_memory_mib"] == 12.5
    assert decision["winner"]["metrics"]["fit_time_s"] is None
    assert decision["runner_up"]["candidate"] == "linear-1"
    assert decision["tied_with"] == []
    assert decision["sentence"] == (
        "net-1 (onnx, 1 thread) fits landsat best: highest utility 0.525 against 0.475 of "
        "linear-1; ahead most on scaled quality (0.9 against 0.3)."
    )
    assert decision["reversal"] == decision["reversals"][0]["sentence"]
    assert decision["reversals"][0]["winner"] == "linear-1"
    assert decision["nearest_miss"] is None


def test_recommendation_names_the_tied() -> None:
    decision = recommend_for(
        make_profile("net-1", **around("quality", 0.80, 0.1), latency_p50_ms=10),
        make_profile("net-2", **around("quality", 0.79, 0.1), latency_p50_ms=10),
        make_profile("net-3", **around("quality", 0.10, 0.1), latency_p50_ms=10),
    )["datasets"]["landsat"]

    assert decision["tied_with"] == ["net-2"]
    assert decision["kept"] == ""
    assert decision["winner"]["rank_high"] == 2


def test_recommendation_says_who_would_win_without_an_earlier_winner() -> None:
    def measure(first: float, second: float) -> list[dict[str, Any]]:
        return [
            make_profile(f"net-{i}", **around("quality", quality, 0.1), latency_p50_ms=10)
            for i, quality in enumerate((first, second), start=1)
        ]

    ranked = rank(*measure(0.79, 0.80), after=rank(*measure(0.80, 0.79)))
    decision = recommend_ranked(ranked)["test"].datasets["landsat"]

    assert decision.winner is not None
    assert decision.winner.candidate == "net-1"
    assert decision.kept == (
        "net-2 (onnx, 1 thread) would be chosen otherwise, but is not surely better than the "
        "earlier winner."
    )
    assert decision.tie == "kept, tied with 1"


def test_recommendation_reports_the_nearest_miss_where_none_qualifies() -> None:
    decision = recommend_for(*ROWS, latency_p50_ms={"max": 4})["datasets"]["landsat"]

    assert decision["outcome"] == "none_qualifies"
    assert decision["winner"] is None
    assert decision["runner_up"] is None
    assert decision["nearest_miss"]["candidate"] == "linear-1"
    assert decision["nearest_miss"]["violations"][0]["amount"] == 1.0
    assert decision["relax"]["candidate"] == "linear-1"
    assert decision["relax"]["limits"] == [
        {"metric": "latency_p50_ms", "kind": "max", "limit": 4.0, "needed": 5.0, "excess": 1.0}
    ]
    assert decision["sentence"] == (
        "No candidate qualifies for landsat. The nearest, linear-1 (onnx, 1 thread), breaks a "
        "limit: latency p50 is 5 ms, 1 ms above the 4 ms allowed."
    )


def test_where_only_disturbed_timings_break_limits_it_is_not_known_who_qualifies() -> None:
    rows = [row | {"disturbed": True} for row in ROWS]
    decision = recommend_for(*rows, latency_p50_ms={"max": 4})["datasets"]["landsat"]

    assert decision["outcome"] == "undecided"
    assert decision["winner"] is None
    assert decision["relax"] is None
    assert decision["sentence"].startswith(
        "It is not known whether a candidate qualifies for landsat: other work disturbed the "
        "machine while linear-1 (onnx, 1 thread) was timed"
    )


def test_winner_comes_with_the_disturbed_candidates_that_may_be_better() -> None:
    decision = recommend_for(
        make_profile("net-1", quality=0.9, latency_p50_ms=20, disturbed=False),
        make_profile("linear-1", quality=0.9, latency_p50_ms=50, disturbed=True),
        make_profile("linear-2", quality=0.1, latency_p50_ms=50, disturbed=True),
    )["datasets"]["landsat"]

    assert decision["winner"]["candidate"] == "net-1"
    assert decision["not_known"] == (
        "It is not known whether linear-1 (onnx, 1 thread) is better: other work disturbed the "
        "machine while it was timed. Measure again on a quiet machine."
    )


def test_recommendation_says_when_nothing_could_be_judged() -> None:
    decision = recommend_for(
        make_profile("net-1", quality=None, latency_p50_ms=1),
        make_profile("net-2", quality=0.5, latency_p50_ms=1, dataset="flights"),
    )["datasets"]["landsat"]

    assert decision["nearest_miss"] is None
    assert decision["relax"] is None
    assert decision["sentence"] == (
        "No candidate qualifies for landsat: each lacks a measurement the application needs. "
        "net-1 (onnx, 1 thread): not measured: scaled quality."
    )


def test_recommendation_compares_the_datasets() -> None:
    across = recommend_for(
        *ROWS,
        make_profile("net-1", dataset="flights", quality=0.2, latency_p50_ms=50),
        make_profile("linear-1", dataset="flights", quality=0.3, latency_p50_ms=5),
    )["across_datasets"]

    assert across["winning_family"] == {"landsat": "net", "flights": "linear"}
    assert across["winner_changes"]
    assert across["robust_choice"] == "linear"
    assert across["sentence"].startswith(
        "The winning family differs between datasets; the robust choice is linear: it qualifies on "
        "2 of 2 datasets, with mean rank 1.5 and worst rank 2"
    )


def test_recommendations_are_read_as_they_were_written() -> None:
    ranked = [rank(*ROWS)]
    tables = Sensitivities(
        tabulate_weight_intervals(ranked),
        tabulate_limit_effects(ranked),
        tabulate_robust_choices(tabulate_rankings(ranked)),
    )
    made = recommend(ranked, tables)

    assert read_recommendations(json.loads(json.dumps(write_recommendations(made)))) == made
