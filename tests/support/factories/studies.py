"""Results of a small study as a run leaves them: hand-made profiles, real ranking, real bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from factories.bundles import train_bundle
from factories.data_cards import make_data_card
from factories.rankings import make_profile, make_profiles
from factories.reports import ENVIRONMENT, RANKING
from rightfit.data.request_path.encoder import Encoder, name_features
from rightfit.measuring.profile import MeasuredHow
from rightfit.models.bundle import Bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import runtime_files
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit.ranking.assessment.profile_table import read_profiles
from rightfit.ranking.explanation.decisions import Recommendations, write_recommendations
from rightfit.ranking.explanation.recommendation import recommend
from rightfit_search.families.family import TrainingData
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps

if TYPE_CHECKING:  # some of these tests run without Kedro
    from kedro.io import DataCatalog

VERSION = "2026-01-02T03.04.05.678Z"
LATER = "2026-01-03T00.00.00.000Z"
FIGURES: dict[str, dict[str, Any]] = {
    "linear-000": {
        "latency_p50_ms": 0.01,
        "quality": 0.8,
        "quality_low": 0.78,
        "quality_high": 0.825,
        "quality_raw": 0.85,
        "quality_raw_low": 0.83,
        "quality_raw_high": 0.87,
        "quality_metric": "accuracy",
    },
    "forest-001": {
        "latency_p50_ms": 40.0,
        "quality": 0.9,
        "quality_low": 0.88,
        "quality_high": 0.92,
        "quality_raw": 0.95,
        "quality_raw_low": 0.93,
        "quality_raw_high": 0.97,
        "quality_metric": "accuracy",
    },
}
CONFIGURATIONS: dict[str, Configuration] = {
    "linear": {
        "n_epochs": 3,
        "alpha": 1e-4,
        "learning_rate": "constant",
        "eta0": 0.1,
        "penalty": "l2",
    },
}
APPLICATIONS: dict[str, Any] = {
    "web_api": {
        "description": "answer a page",
        "scenario": "single_stream",
        "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
        "constraints": {"latency_p50_ms": {"max": 10}},
    },
    "dreamer": {
        "description": "want the impossible",
        "scenario": "single_stream",
        "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
        "constraints": {"latency_p50_ms": {"max": 0.001}},
    },
}


@dataclass(frozen=True)
class Study:
    """What is stored, and what it was made from.

    Args:
        root: Its data folder.
        raw: Raw rows of its dataset ``landsat``, 60 of them.
        bundle: Bundle of ``linear-000``.
        encoder: Encoder of the raw rows.
    """

    root: Path
    raw: pl.DataFrame
    bundle: Bundle
    encoder: Mapping[str, Any]


def make_raw() -> pl.DataFrame:
    """Rows with every kind of column but images; nulls and a rare category among them."""
    rng = np.random.default_rng(1)
    n_rows = 60
    labels = np.repeat(np.arange(3), n_rows // 3)
    size = rng.normal(size=n_rows) + 4 * labels
    known = [None if i % 9 == 0 else value for i, value in enumerate(size)]
    return pl.DataFrame(
        {
            "size": pl.Series(known, dtype=pl.Float32),
            "n_parts": rng.integers(1, 9, n_rows).astype(np.int16),
            "day": np.tile([1, 2, 3], n_rows // 3).astype(np.int8),
            "origin": ["EWR", "JFK", None, "LGA", "rare", "JFK"] * (n_rows // 6),
            "label": labels,
        }
    )


def fit_encoder(raw: pl.DataFrame) -> Encoder:
    features = {
        "numeric": ["size", "n_parts"],
        "indicate_missing": ["size"],
        "categorical": ["day", "origin"],
        "min_category_share": 0.2,
        "image": None,
    }
    return fit_encoder_steps(Features.model_validate(features), raw)


def make_bundle(folder: Path, data: TrainingData, *, family: str = "linear") -> Bundle:
    return add_onnx(train_bundle(folder, data, family, CONFIGURATIONS[family]), data.rows)


def store_study(catalog: DataCatalog, root: Path, folder: Path) -> Study:
    """Train a model, rank it and a made-up one, and save all as one run would.

    Args:
        catalog: Catalog whose save version is the run's.
        root: Its data folder.
        folder: Where the bundle is made.
    """
    raw = make_raw()
    encoder = fit_encoder(raw)
    classes = ("low", "middle", "high")
    rows = np.ascontiguousarray(apply_encoder(encoder, raw).to_numpy(), dtype=np.float32)
    schema = InputSchema(name_features(encoder), classes, None)
    bundle = make_bundle(folder / "linear-000", TrainingData(rows, raw["label"].to_numpy(), schema))
    profiles = make_measured(bundle)
    catalog.save("resource_profiles", profiles)
    catalog.save("environment", ENVIRONMENT)
    catalog.save("recommendations", write_recommendations(rank(profiles)))
    catalog.save("landsat.encoder", encoder)
    catalog.save("landsat.data_card", make_data_card())
    catalog.save("landsat.linear.candidates", {"linear-000": bundle})
    catalog.load("studies").cell("landsat.linear").record_weights(bundle)
    return Study(root, raw, bundle, encoder.model_dump(mode="json"))


def make_measured(bundle: Bundle, *, disturbed: bool = False) -> pl.DataFrame:
    (file,) = runtime_files(bundle, "onnx")
    size_mib = file.stat().st_size / 2**20
    sha256 = {"linear-000": bundle.weights_sha256}
    return make_profiles(
        *(
            make_profile(
                candidate,
                **figures,
                model_size_mib=size_mib,
                model_sha256=sha256.get(candidate),
                n_threads=n_threads,
                disturbed=disturbed,
                environment_id=ENVIRONMENT.environment_id,
                null_reasons={"latency_p99_ms": "too few samples"},
                measured_how=asdict(MeasuredHow(preset="quick", devices=("cpu",))),
            )
            for candidate, figures in FIGURES.items()
            for n_threads in (1, 2)
        )
    )


def rank(profiles: pl.DataFrame) -> Recommendations:
    ranked = rank_applications(
        read_profiles(profiles),
        Applications.model_validate(APPLICATIONS),
        RankingRules.model_validate(RANKING),
    )
    return recommend(
        ranked,
    )
