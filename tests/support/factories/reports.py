"""Hand-made profiles and trials, ranked by the real ranking, for the tests of the report."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from factories.data_cards import make_data_card
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.median_estimates import Interval
from rightfit.measuring.profile import MeasuredHow
from rightfit.measuring.throughput_curve import CurveFigure, CurvePoint
from rightfit.ranking.application_ranking import (
    NO_WINNERS,
    Winners,
    rank_applications,
)
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit.ranking.assessment.profile_table import read_profiles
from rightfit.ranking.explanation.decisions import Recommendations
from rightfit.ranking.explanation.recommendation import recommend
from rightfit.ranking.fleet import rank_fleet
from rightfit.ranking.records.load_records import (
    LatencyLimit,
    LoadCurve,
    LoadCurves,
    LoadStep,
    Loop,
    WinnerLoad,
)
from rightfit.reporting.run_results import Results
from rightfit_search.tables.data_card import DataCard

DATASETS = ("landsat", "fashion_mnist", "flights")

# model, candidate, quality per dataset, native p50 ms, onnx p50 ms, rows/s native, onnx, size MiB
CANDIDATES = (
    ("linear", "linear-03", (0.839, 0.802, 0.716), 0.088, 0.0058, 2.8e6, 2.7e7, 0.004),
    ("linear", "linear-11", (0.821, 0.781, 0.702), 0.081, 0.0055, 3.1e6, 3.0e7, 0.003),
    ("forest", "forest-07", (0.912, 0.8395, 0.711), 8.295, 0.048, 5.3e4, 6.0e4, 7.9),
    ("forest", "forest-14", (0.894, 0.821, 0.699), 1.73, 0.017, 2.2e5, 2.4e5, 0.9),
    ("net", "net-05", (0.887, 0.872, 0.722), 0.178, 0.033, 5.3e3, 4.5e4, 1.7),
    ("net", "net-09", (0.861, 0.843, 0.718), 0.028, 0.0066, 1.4e6, 3.7e6, 0.08),
)
BASE_MIB = {("linear", "native"): 158.0, ("forest", "native"): 161.0, ("net", "native"): 222.0}
BOUNDS = {
    "landsat": {"name": "accuracy", "worst": 0.25, "best": 1.0},
    "fashion_mnist": {"name": "accuracy", "worst": 0.1, "best": 1.0},
    "flights": {"name": "roc_auc", "worst": 0.5, "best": 1.0},
}
TIERS = ("micro", "small", "medium")


def make_profiles() -> pl.DataFrame:
    rows = [
        _profile(dataset, position, candidate, runtime, n_threads)
        for position, dataset in enumerate(DATASETS)
        for candidate in CANDIDATES
        for runtime in ("native", "onnx")
        for n_threads in (1, 2)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _profile(
    dataset: str, position: int, candidate: tuple[Any, ...], runtime: str, n_threads: int
) -> dict[str, object]:
    model, name, qualities, native_ms, onnx_ms, native_rows, onnx_rows, size_mib = candidate
    p50_ms = (native_ms if runtime == "native" else onnx_ms) * (1.0, 1.4, 1.1)[position]
    rows_per_s = native_rows if runtime == "native" else onnx_rows
    bounds = BOUNDS[dataset]
    raw = qualities[position]
    base_mib = BASE_MIB[(model, "native")] if runtime == "native" else 58.0
    tier = 1 if base_mib < 128 else 2
    return {
        "dataset": dataset,
        "model": model,
        "candidate": name,
        "runtime": runtime,
        "n_threads": n_threads,
        "device": "cpu",
        "request_path": "request",
        "reading_ms": p50_ms / 5,
        "feeding_ms": p50_ms / 4,
        "graph_ms": p50_ms * 3 / 4,
        "answer_ms": p50_ms / 10,
        "quality": (raw - bounds["worst"]) / (bounds["best"] - bounds["worst"]),
        "quality_low": (raw - 0.012 - bounds["worst"]) / (bounds["best"] - bounds["worst"]),
        "quality_high": (raw + 0.012 - bounds["worst"]) / (bounds["best"] - bounds["worst"]),
        "quality_raw": raw,
        "quality_raw_low": raw - 0.012,
        "quality_raw_high": raw + 0.012,
        "quality_metric": {"accuracy": "accuracy", "roc_auc": "ROC AUC"}[bounds["name"]],
        "model_sha256": hashlib.sha256(f"{dataset} {name}".encode()).hexdigest(),
        "latency_p50_ms": p50_ms,
        "latency_p50_ms_low": p50_ms * 0.98,
        "latency_p50_ms_high": p50_ms * 1.03,
        "latency_p95_ms": p50_ms * 1.6,
        "latency_p99_ms": p50_ms * 2.4 if p50_ms < 5 else None,
        "throughput_rows_per_s": rows_per_s * (1.0 if n_threads == 1 else 1.6),
        "best_batch_size": 4096,
        "cpu_cores": float(n_threads),
        "cpu_util_pct": 98.0,
        "peak_memory_mib": base_mib + size_mib * (2 if runtime == "native" else 12),
        "peak_memory_one_row_mib": base_mib + size_mib * (2 if runtime == "native" else 6),
        "model_memory_mib": size_mib * (2 if runtime == "native" else 12),
        "model_size_mib": size_mib,
        "load_time_ms": 900.0 if model == "net" and runtime == "native" else 50.0,
        "min_hardware_tier": float(tier),
        "min_hardware_tier_name": TIERS[tier - 1],
        "cost_usd_per_1m_rows": LADDER[tier - 1].price_per_hour / 3600 / rows_per_s * 1e6,
        "gpu_util_pct": None,
        "fit_time_s": {"linear": 0.6, "forest": 2.5, "net": 18.0}[model],
        "n_latency_samples": 900 if p50_ms < 5 else 240,
        "disturbed": model == "forest" and runtime == "native" and n_threads == 2,
        "environment_id": "a1b2c3d4",
        "null_reasons": {"gpu_util_pct": "no NVIDIA driver on this machine"},
        "measured_how": asdict(
            MeasuredHow(
                preset="quick",
                devices=("cpu",),
                n_processes=3,
                settled="precise",
                throughput_curve=_curve(rows_per_s * (1.0 if n_threads == 1 else 1.6), base_mib),
            )
        ),
    }


def _curve(rows_per_s: float, base_mib: float) -> tuple[CurvePoint, ...]:
    """Figures at three batch sizes; the throughput grows with the batch, and so does memory."""
    return tuple(
        CurvePoint(
            batch_size=batch_size,
            figures=(
                CurveFigure(
                    "throughput_rows_per_s",
                    share * rows_per_s,
                    low=share * rows_per_s * 0.9,
                    high=share * rows_per_s * 1.2,
                ),
                CurveFigure("peak_memory_mib", base_mib + batch_size / 64),
            ),
            hardware_tier="micro",
        )
        for batch_size, share in ((32, 0.4), (256, 0.8), (4_096, 1.0))
    )


APPLICATIONS: dict[str, Any] = {
    "satellite_archive": {
        "description": "re-process the image archive overnight",
        "scenario": "offline",
        "objectives": {
            "quality": {"weight": 5, "worst": 0.5, "best": 1.0},
            "throughput_rows_per_s": {"weight": 3, "worst": 1e4, "best": 1e7, "scale": "log"},
            "peak_memory_mib": {"weight": 1, "worst": 2048, "best": 32, "scale": "log"},
        },
        "constraints": {
            "throughput_rows_per_s": {"min": 2.0e5},
            "quality": {"max_degradation": 0.1},
        },
    },
    "edge_device": {
        "description": "classify on a battery-powered sensor",
        "scenario": "single_stream",
        "aggregation": "geometric",
        "objectives": {
            "quality": {"weight": 2, "worst": 0.3, "best": 1.0},
            "latency_p50_ms": {"weight": 2, "worst": 10, "best": 0.004, "scale": "log"},
            "peak_memory_mib": {"weight": 3, "worst": 256, "best": 48, "scale": "log"},
            "model_size_mib": {"weight": 1, "worst": 10, "best": 0.001, "scale": "log"},
        },
        "constraints": {"peak_memory_mib": {"max": 96}},
    },
    "web_api": {
        "description": "answer one request at a time, at once",
        "scenario": "single_stream",
        "objectives": {
            "quality": {"weight": 4, "worst": 0.4, "best": 1.0},
            "latency_p99_ms": {"weight": 2, "worst": 50, "best": 0.01, "scale": "log"},
        },
        "constraints": {
            "latency_p99_ms": {"max": 0.08},
            "quality": {"max_degradation": 0.04},
            "quality_raw": {"min": 0.715},
        },
    },
    "accuracy_first": {
        "description": "the most accurate model, whatever it costs",
        "scenario": "single_stream",
        "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
    },
}
RANKING = {
    "confidence_level": 0.95,
    "n_draws": 1_000,
    "n_weight_draws": 9_604,
    "limit_change_pct": 10,
    "seed": 1,
    "equal_within": 0.02,
    "ties": {
        "rule": [
            {"by": "min_hardware_tier", "prefer": "lower"},
            {"by": "utility", "prefer": "higher"},
            {"by": "n_threads", "prefer": "lower"},
        ],
        "rule_by_application": {"accuracy_first": [{"by": "quality", "prefer": "higher"}]},
    },
}
LADDER = (
    Tier(name="micro", n_cores=1, memory_mib=128, device="cpu", price_per_hour=0.0035),
    Tier(name="small", n_cores=2, memory_mib=384, device="cpu", price_per_hour=0.007),
    Tier(name="medium", n_cores=2, memory_mib=768, device="cpu", price_per_hour=0.0168),
)
ENVIRONMENT = Environment(
    environment_id="a1b2c3d4",
    cpu="Hand-made CPU",
    n_cores=2,
    memory_mib=8192,
    system="Linux",
    kernel="6.1",
    architecture="x86_64",
    governor=None,
    python="3.11.2",
    libraries={"torch": "2.13.0", "onnxruntime": "1.23.0"},
    gpus=(),
)


def make_hardware_tiers() -> pl.DataFrame:
    """One profile: it needs the second tier of three."""
    return pl.DataFrame(
        {
            "tier": [tier.name for tier in LADDER],
            "verdict": ["does not fit", "fits", "fits"],
        }
    )


def make_card(dataset: str) -> DataCard:
    return make_data_card(
        dataset,
        data_version="0123456789abcdef",
        quality=BOUNDS[dataset],
        n_rows={"train": 4000, "validation": 435, "test": 2000},
    )


def make_trials() -> pl.DataFrame:
    reason = "best accuracy 0.7000 up to checkpoint 1 is below the median 0.8000 of 4"
    return pl.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "application": pl.Series([None] * 4, dtype=pl.String),
            "state": ["complete", "complete", "stopped", "failed"],
            "stop_checkpoint": [None, None, 1, 2],
            "stop_reason": [None, None, reason, "ValueError: no number"],
            "stop_rule": [None, None, "median", None],
            "stopped_by": pl.Series([None] * 4, dtype=pl.String),
            "compute_s": [8.0, 12.0, 2.0, 1.0],
            "saved_s": [None, None, 6.0, None],
        }
    )


def make_audit() -> pl.DataFrame:
    """Return the account of a cell's search: two applications, one without a feasible winner."""
    search = {
        "n_trials": 4,
        "n_complete": 2,
        "n_stopped": 1,
        "spent_s": 23.0,
        "saved_s": 6.0,
        "deciding_s": 0.2,
        "training_s": 3.0,
        "ended_early": None,
    }
    return pl.DataFrame(
        [
            {"application": "web_api", "winner": 1, "utility": 0.81, "nearest_miss": None} | search,
            {
                "application": "edge_device",
                "winner": None,
                "utility": None,
                "nearest_miss": "trial 1 comes nearest, with a model size of 20 MiB where the "
                "limit is 16 MiB",
            }
            | search,
        ],
        schema_overrides={"ended_early": pl.String},
    )


def make_dataset_audits(dataset: str) -> pl.DataFrame:
    keys = [pl.lit(dataset).alias("dataset"), pl.lit("").alias("model")]
    audit = make_audit().select(*keys, pl.all())
    return pl.concat(
        audit.with_columns(model=pl.lit(model)) for model in ("linear", "forest", "net")
    )


def make_load_curves(recommendations: Recommendations) -> LoadCurves:
    """One winner was loaded, for web_api on landsat; the others have a reason."""
    return LoadCurves(
        tuple(
            WinnerLoad.of(name, dataset, decision.winner, LatencyLimit(0.99, 0.08), *what)
            for name, recommendation in recommendations.items()
            for dataset, decision in recommendation.datasets.items()
            for what in [
                (make_load_curve(), "")
                if (name, dataset) == ("web_api", "landsat") and decision.winner
                else (None, "the time was spent on others")
            ]
        )
    )


def make_load_curve() -> LoadCurve:
    """A server that falls behind at 1,200 requests a second; the p99 of 60 is not known."""
    steps = [
        make_load_step(60, (0.6, 0.7, None)),
        make_load_step(600, (0.7, 1.1, 1.9)),
        make_load_step(900, (0.9, 2.2, 3.1)),
        make_load_step(1200, (40.0, 80.0, 95.0), n_failed=30, keeps_up=False),
    ]
    return LoadCurve(
        closed=(make_load_step(1, (0.6, 0.8, 1.0), loop="closed"),),
        opened=tuple(steps),
        capacity_per_s=1_000.0,
        highest_rate_per_s=900.0,
        limit_ms=5.0,
        knee_per_s=600.0,
    )


def make_load_step(
    level: float,
    latencies_ms: tuple[float | None, ...],
    *,
    n_failed: int = 0,
    keeps_up: bool = True,
    loop: Loop = "open",
) -> LoadStep:
    return LoadStep(
        loop=loop,
        level=level,
        latency_ms={
            share: None if ms is None else Interval(ms, ms * 0.9, ms * 1.2, True)
            for share, ms in zip((0.5, 0.95, 0.99), latencies_ms, strict=True)
        },
        throughput_per_s=min(level, 1_000.0),
        n_requests=1_000,
        errors={"timeout": n_failed} if n_failed else {},
        keeps_up=keeps_up,
        server_cores=min(level / 1_000, 1.0),
        peak_memory_mib=120.0,
        late_p99_ms=0.05,
    )


def build_results(
    applications: dict[str, Any] = APPLICATIONS,
    profiles: pl.DataFrame | None = None,
    imported: tuple[str, ...] = (),
    earlier: Winners = NO_WINNERS,
    environments: dict[str, Any] | None = None,
) -> Results:
    asked = Applications.model_validate(applications)
    rules = RankingRules.model_validate(RANKING | {"environments": environments or {}})
    profiles = make_profiles() if profiles is None else profiles
    table = read_profiles(profiles)
    ranked = rank_applications(table, asked, rules, earlier)
    recommendations = recommend(
        ranked,
        imported=imported,
        fleets={one.assessment.name: rank_fleet(one, table, rules) for one in ranked},
    )
    return Results(
        applications=asked,
        rules=rules,
        profiles=profiles,
        recommendations=recommendations,
        qualities={name: make_card(name).quality for name in DATASETS},
        data_cards={name: make_card(name) for name in DATASETS},
        trials=pl.concat(map(make_dataset_trials, DATASETS)),
        audits=pl.concat(map(make_dataset_audits, DATASETS)),
        environment=ENVIRONMENT,
        load_curves=make_load_curves(recommendations),
        hardware_tiers=make_hardware_tiers(),
        ranked=ranked,
    )


def run_ranking_and_reporting(project: Path, root: Path) -> None:
    """Leave hand-made results in a data folder, as an evaluation would; rank and report them."""
    from rightfit_kedro.run import (
        RightfitSession,  # which the tests of the report do without
    )

    params = {"data_root": str(root)}
    with RightfitSession.create(project, env="test", runtime_params=params) as session:
        catalog = session.load_context().catalog
        datasets = ("landsat", "fashion_mnist")
        catalog["resource_profiles"].save(make_profiles().filter(pl.col("dataset").is_in(datasets)))
        catalog["environment"].save(ENVIRONMENT)
        catalog["hardware_tiers"].save(make_hardware_tiers())
        for dataset in datasets:
            catalog[f"{dataset}.data_card"].save(make_card(dataset))
            catalog[f"{dataset}.trials"].save(make_dataset_trials(dataset))
            catalog[f"{dataset}.search_audit"].save(make_dataset_audits(dataset))
    with RightfitSession.create(project, env="test", runtime_params=params) as session:
        session.run(pipeline_names=["ranking", "reporting"])


def make_dataset_trials(dataset: str) -> pl.DataFrame:
    keys = [pl.lit(dataset).alias("dataset"), pl.lit("").alias("model")]
    trials = make_trials().select(*keys, pl.all())
    return pl.concat(
        trials.with_columns(model=pl.lit(model)) for model in ("linear", "forest", "net")
    )
