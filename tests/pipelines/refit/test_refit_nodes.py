from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from bundles import train_bundle
from contests import make_application, make_profile, make_profiles
from data_cards import make_data_card

from rightfit.evaluation import refitting as refits_made
from rightfit.families.bundle import Bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.ranking import RankingParams
from rightfit.parameters.refit import RefitParams
from rightfit.pipelines.refit.nodes import refit_winners
from rightfit.preparation.encoding import Encoder
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.explanation.refits import Refits
from rightfit.tuning.parallel.forks import close_shared_fork_server
from rightfit.tuning.search.setting_up import make_data
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

SETTINGS: dict[str, dict[str, Any]] = {
    "forest": {"n_estimators": 3, "max_depth": 3, "max_features": 1.0, "min_samples_leaf": 1},
    "linear": {
        "n_epochs": 2,
        "alpha": 1e-4,
        "learning_rate": "constant",
        "eta0": 0.1,
        "penalty": "l2",
    },
}
CARD = make_data_card()
COSTS = pl.DataFrame(
    {
        "runtime": ["onnx"],
        "n_threads": [1],
        "device": ["cpu"],
        "request_path": ["model"],
        "latency_p50_ms": [3.0],
    }
)


def make_rows(n_rows: int, seed: int) -> pl.DataFrame:
    rows = np.random.default_rng(seed).normal(size=(n_rows, 2)).astype(np.float32)
    noise = np.random.default_rng(seed + 1).normal(size=n_rows)
    frame = pl.DataFrame(rows, schema=["a", "b"])
    return frame.with_columns(label=pl.Series((rows[:, 0] + noise > 0).astype(np.int64)))


PARTS = {"train": make_rows(200, 0), "validation": make_rows(100, 5), "test": make_rows(90, 9)}


class Refitting:
    """Refits the winner of a small dataset."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder = folder
        self.blocks: dict[str, Any] = {}
        for name in ("ranking", "refit", "training", "evaluation"):
            text = (project / "conf" / "base" / f"parameters_{name}.yml").read_text()
            self.blocks |= yaml.safe_load(text)

    def make_chosen(self, model: str) -> Bundle:
        data = make_data(PARTS["train"], CARD.input_schema)
        bundle = train_bundle(self.folder / "chosen", data, model, SETTINGS[model])
        return offer_onnx(bundle, data.rows)

    def run(
        self, bundle: Bundle, *, name: str = "", budget_s: float = 60
    ) -> tuple[Refits, dict[str, Bundle]]:
        candidate = name or f"{bundle.model}-000"
        winner = make_profile(
            candidate, quality=0.8, quality_raw=0.8, latency_p50_ms=2.0, fit_time_s=20.0
        )
        ranking = self.blocks["ranking"]
        ranking["ties"]["rule_by_application"] = {}
        return refit_winners(
            make_profiles(winner).with_columns(request_path=pl.lit("model")),
            ApplicationsParams({"any": make_application()}),
            RankingParams(**ranking),
            RefitParams(when="always", budget_s=budget_s),
            TrainingParams(**self.blocks["training"]),
            EvaluationParams(**self.blocks["evaluation"]),
            CARD,
            PARTS["train"],
            PARTS["validation"],
            PARTS["test"],
            PARTS["test"].with_columns(part=pl.lit("test")),
            Encoder(steps=()),
            StudyStore(self.folder / "studies", None),
            JsonStore(self.folder / "measurements"),
            {},
            families={bundle.model: bundle.model},
            **{f"candidates_of_{bundle.model}": {candidate: bundle}},
        )


@pytest.fixture
def refitting(
    tmp_path: Path, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Refitting]:
    monkeypatch.setattr(refits_made, "measure_cell", lambda *_args, **_kwargs: COSTS)
    yield Refitting(tmp_path, project_path)
    close_shared_fork_server()


def test_winner_learns_from_train_and_validation_rows(refitting: Refitting) -> None:
    chosen = refitting.make_chosen("linear")
    refits, bundles = refitting.run(chosen)

    (refit,) = refits.found
    assert (refit.n_rows_chosen, refit.n_rows) == (200, 300)
    assert bundles["linear-000"].sha256 == refit.sha256 != refit.chosen_sha256 == chosen.sha256
    assert bundles["linear-000"].onnx is not None
    assert refit.quality is not None
    assert refit.quality.n_rows == 90
    assert refit.quality.chosen.raw != refit.quality.refitted.raw
    assert not refit.structure_changed
    assert refit.costs == ()  # those of the chosen model hold


def test_another_structure_is_measured_again(refitting: Refitting) -> None:
    refits, _ = refitting.run(refitting.make_chosen("forest"))

    (refit,) = refits.found
    assert refit.structure_changed
    assert [one.metrics["latency_p50_ms"] for one in refit.costs] == [3.0]


def test_refit_that_was_made_before_is_neither_trained_nor_judged_again(
    refitting: Refitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = refitting.make_chosen("linear")
    first, _ = refitting.run(chosen)
    monkeypatch.setattr("rightfit.tuning.refitting.refitting.write_bundle", None)
    monkeypatch.setattr("rightfit.tuning.refitting.side_by_side.forking", None)
    monkeypatch.setattr(Bundle, "load_native", None)

    again, _ = refitting.run(chosen)

    assert again == first


def test_refit_beyond_the_budget_is_left_out(refitting: Refitting) -> None:
    refits, bundles = refitting.run(refitting.make_chosen("linear"), budget_s=29)

    assert bundles == {}
    assert "would take about 30 s, and 29 s are left" in refits.found[0].why_not


def test_cascade_is_not_refitted(refitting: Refitting) -> None:
    refits, bundles = refitting.run(refitting.make_chosen("linear"), name="cascade-000")

    assert bundles == {}
    assert "cascades and imported models" in refits.found[0].why_not
