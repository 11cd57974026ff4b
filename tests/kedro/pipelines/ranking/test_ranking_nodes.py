from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from factories.rankings import make_application, make_profile, make_profiles, make_rules

from rightfit.params.applications import ApplicationsParams
from rightfit_kedro.pipelines.ranking.nodes import rank_candidates

pytestmark = pytest.mark.whole

RULES = make_rules()
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
            "stopped_by": [None, None],
        }
    )


def run_all(profiles: pl.DataFrame, asked: ApplicationsParams) -> tuple[Any, ...]:
    trials = searches("landsat"), searches("flights")
    return rank_candidates(profiles, asked, RULES, {}, None, *trials, imported=())


def test_node_fills_every_table(profiles: pl.DataFrame) -> None:
    made = run_all(profiles, applications(latency_p50_ms={"max": 50}))
    rankings, csv, rejections, recommendations = made

    broken = rankings["violations"].to_list()
    assert csv.equals(rankings.with_columns(violations=pl.Series(map(json.dumps, broken))))
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
    assert rejections.height == 8 + 4
    assert rejections.filter(outcome="stopped").select("dataset", "model", "candidate").rows() == [
        ("landsat", "linear", "linear-004"),
        ("landsat", "forest", "forest-004"),
        ("flights", "linear", "linear-004"),
        ("flights", "forest", "forest-004"),
    ]
    assert recommendations["web_api"]["datasets"]["landsat"]["winner"]["candidate"] == "linear-1"


@pytest.mark.parametrize("limited", [True, False], ids=["a limit", "an objective"])
@pytest.mark.parametrize("datasets", [["flights"], ["landsat", "flights"]], ids=["one", "all"])
def test_what_no_candidate_was_measured_for_fails_its_application_alone(
    profiles: pl.DataFrame, datasets: list[str], limited: bool
) -> None:
    is_lacking = pl.col("dataset").is_in(datasets)
    lacking = profiles.with_columns(
        latency_p50_ms=pl.when(~is_lacking).then("latency_p50_ms"),
        null_reasons=pl.struct(latency_p50_ms=pl.lit("needs 130 calls")),
    )
    quality = {"objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}}}
    limit = {"constraints": {"latency_p50_ms": {"max": 100}}}
    asked = ApplicationsParams(
        {
            "web_api": make_application(**(quality | limit if limited else {})),
            "control": make_application(**quality),
        }
    )

    *_, found = run_all(lacking, asked)

    for dataset in datasets:
        decision = found["web_api"]["datasets"][dataset]
        assert decision["outcome"] == "none_qualifies"
        assert "not measured: latency p50 (needs 130 calls)" in decision["sentence"]
        assert found["control"]["datasets"][dataset]["winner"]["candidate"] == "forest-1"
    outcomes = {name: d["outcome"] for name, d in found["web_api"]["datasets"].items()}
    measured = {"landsat", "flights"} - set(datasets)
    assert {name for name, outcome in outcomes.items() if outcome == "winner"} == measured


def test_ranking_by_a_column_that_does_not_exist_is_one_clear_error(
    profiles: pl.DataFrame,
) -> None:
    asked = applications(latency_p50_ms={"max": 50})

    with pytest.raises(ValueError, match="'latency_p50_ms' is not in resource_profiles"):
        run_all(profiles.drop("latency_p50_ms"), asked)
