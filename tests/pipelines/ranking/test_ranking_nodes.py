from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from contests import make_application, make_profile, make_profiles, make_rules

from rightfit.pipelines.ranking.nodes import (
    analyse_sensitivity,
    compare_choices,
    explain_losers,
    rank_candidates,
    recommend_candidates,
)
from rightfit.pipelines.ranking.params import ApplicationsParams, RankingParams

RULES = RankingParams.model_validate(make_rules().model_dump())
FAST_AND_ROUGH = {"quality": 0.6, "latency_p50_ms": 2.0, "fit_time_s": 1.0}
SLOW_AND_FINE = {"quality": 0.9, "latency_p50_ms": 60.0, "fit_time_s": 9.0}


@pytest.fixture
def profiles() -> pl.DataFrame:
    return make_profiles(
        *(
            make_profile(name, dataset=dataset, **values)
            for dataset in ("landsat", "flights")
            for name, values in (("linear-1", FAST_AND_ROUGH), ("forest-1", SLOW_AND_FINE))
        )
    )


def applications(**limits: Any) -> ApplicationsParams:
    quality = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})
    return ApplicationsParams({"web_api": make_application(constraints=limits), "control": quality})


def searches(dataset: str) -> pl.DataFrame:
    """One stopped trial of each family."""
    return pl.DataFrame(
        {
            "dataset": [dataset] * 2,
            "model": ["linear", "forest"],
            "number": [4, 4],
            "application": [None, None],
            "state": ["stopped"] * 2,
            "stop_checkpoint": [2, 2],
            "stop_reason": ["median"] * 2,
        }
    )


def test_nodes_fill_every_table(profiles: pl.DataFrame) -> None:
    inputs = (profiles, applications(latency_p50_ms={"max": 50}), RULES)
    rankings, csv, breakdown = rank_candidates(*inputs)
    win_shares, weight_intervals, limit_shadows = analyse_sensitivity(*inputs)
    robust_choices, break_even = compare_choices(*inputs)
    why_not = explain_losers(*inputs, searches("landsat"), searches("flights"))
    recommendations = recommend_candidates(
        *inputs,
        weight_intervals=weight_intervals,
        limit_shadows=limit_shadows,
        robust_choices=robust_choices,
    )

    assert rankings.equals(csv)
    assert rankings.select("application", "dataset", "candidate").rows() == [
        ("web_api", "landsat", "linear-1"),
        ("web_api", "landsat", "forest-1"),
        ("web_api", "flights", "linear-1"),
        ("web_api", "flights", "forest-1"),
        ("control", "landsat", "forest-1"),
        ("control", "landsat", "linear-1"),
        ("control", "flights", "forest-1"),
        ("control", "flights", "linear-1"),
    ]
    assert breakdown.height == 4 * 2 + 4
    assert win_shares.height == 2 + 4
    assert weight_intervals.height == 2 * 2 + 2
    assert limit_shadows.height == 2 * 2
    assert robust_choices.filter("is_robust_choice")["model"].to_list() == ["linear", "forest"]
    assert break_even.height == 2 + 4
    assert why_not.height == 8 + 4
    assert why_not.filter(outcome="stopped").select("dataset", "model", "candidate").rows() == [
        ("landsat", "linear", "linear-4"),
        ("landsat", "forest", "forest-4"),
        ("flights", "linear", "linear-4"),
        ("flights", "forest", "forest-4"),
    ]
    assert recommendations["web_api"]["datasets"]["landsat"]["winner"]["candidate"] == "linear-1"


def test_ranking_what_nobody_measured_is_one_clear_error(profiles: pl.DataFrame) -> None:
    asked = applications(peak_memory_mib={"max": 50})

    with pytest.raises(ValueError, match="'peak_memory_mib' was not measured in any profile"):
        rank_candidates(profiles, asked, RULES)
