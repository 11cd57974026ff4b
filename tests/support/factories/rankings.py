"""Small profiles, applications and rules to rank in tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from rightfit.measuring.profile import MeasuredHow
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    list_winner_keys,
    rank_application,
)
from rightfit.ranking.applications.applications import Application, Applications, RankingRules
from rightfit.ranking.assessment.assessment import Assessment, assess_candidates
from rightfit.ranking.assessment.profile_table import read_profiles

METRICS = ("quality", "latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib", "fit_time_s")


def make_profile(candidate: str, **values: Any) -> dict[str, Any]:
    """One row of resource_profiles; the family is the part of the name before the dash."""
    return {
        "dataset": "landsat",
        "model": candidate.split("-")[0],
        "candidate": candidate,
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
        "min_hardware_tier": 1.0,
        "min_hardware_tier_name": "micro",
        **dict.fromkeys(METRICS),
        **values,
    }


def make_profiles(*rows: dict[str, Any]) -> pl.DataFrame:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    schema = {
        name: pl.Float64
        for name in columns
        if name in METRICS or name.endswith(("_low", "_high", "_ms", "_mib"))
    }
    return pl.DataFrame(
        [{name: row.get(name) for name in columns} for row in rows], schema_overrides=schema
    )


def make_twin(
    candidate: str, *, twins: tuple[str, ...], cost_class: str | None = "graph", **values: Any
) -> dict[str, Any]:
    """A profile of a class of graphs that cost the same, which names its twins."""
    how = MeasuredHow(preset="quick", devices=("cpu",), cost_class=cost_class, twins=twins)
    return make_profile(candidate, measured_how=asdict(how), **values)


def make_application(**values: Any) -> Application:
    """Quality and latency, equally weighted, without limits."""
    base: dict[str, Any] = {
        "description": "a test",
        "scenario": "single_stream",
        "objectives": {
            "quality": {"weight": 1, "worst": 0, "best": 1},
            "latency_p50_ms": {"weight": 1, "worst": 100, "best": 1, "scale": "log"},
        },
    }
    return Application.model_validate(base | values)


def make_tiered(*rows: tuple[str, float, float], reach: float) -> list[dict[str, Any]]:
    """Profiles of the same latency: name, quality and hardware tier of each.

    Quality is known to within ``reach``.
    """
    return [
        make_profile(
            name,
            **around("quality", quality, reach),
            min_hardware_tier=tier,
            latency_p50_ms=10,
        )
        for name, quality, tier in rows
    ]


COSTS_HARDLY_COUNT = make_application(
    objectives={
        "quality": {"weight": 1, "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": 1e-9, "worst": 100, "best": 1, "scale": "log"},
    }
)


def make_applications(**applications: Application) -> Applications:
    return Applications(applications)


def make_rules(*, ties: dict[str, Any] | None = None, **values: Any) -> RankingRules:
    base: dict[str, Any] = {
        "confidence_level": 0.95,
        "n_draws": 1_000,
        "n_weight_draws": 9_604,
        "limit_change_pct": 10,
        "seed": 0,
        "equal_within": 0.01,
        "ties": {
            "rule": [
                {"by": "min_hardware_tier", "prefer": "lower"},
                {"by": "utility", "prefer": "higher"},
            ],
            "rule_by_application": {},
        }
        | (ties or {}),
    }
    return RankingRules.model_validate(base | values)


def assess(
    *rows: dict[str, Any],
    application: Application | None = None,
    rules: RankingRules | None = None,
) -> Assessment:
    return assess_candidates(
        read_profiles(make_profiles(*rows)),
        "test",
        application or make_application(),
        rules or make_rules(),
    )


def rank(
    *rows: dict[str, Any],
    application: Application | None = None,
    rules: RankingRules | None = None,
    after: ApplicationRanking | None = None,
) -> ApplicationRanking:
    """Rank rows, after an earlier ranking whose winners may stand."""
    assessment = assess(*rows, application=application, rules=rules)
    return rank_application(assessment, list_winner_keys(after) if after else {})


def names_in_order(ranked: ApplicationRanking) -> list[str]:
    assessment = ranked.assessment
    return assessment.table.frame["candidate"].gather(assessment.chosen[ranked.order]).to_list()


def number_of(assessment: Assessment, candidate: str) -> int:
    names = assessment.table.frame["candidate"].gather(assessment.chosen).to_list()
    return names.index(candidate)


def around(metric: str, value: float, reach: float) -> dict[str, float]:
    """A metric with its interval."""
    return {metric: value, f"{metric}_low": value - reach, f"{metric}_high": value + reach}


def random_metrics(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "quality": rng.uniform(0, 1, n),
        "latency_p50_ms": rng.uniform(1, 100, n),
        "peak_memory_mib": rng.uniform(10, 1000, n),
    }
