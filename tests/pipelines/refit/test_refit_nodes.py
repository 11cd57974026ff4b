from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.bundles import train_bundle
from factories.data_cards import make_data_card
from factories.rankings import make_application, make_profile, make_profiles

from rightfit.cascades import answer, join_members
from rightfit.evaluation import winner_refits as refits_made
from rightfit.families.bundle import Bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams, RefitParams
from rightfit.pipelines.refit.nodes import refit_winners
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.explanation.shipping import Refits
from rightfit.request_path.encoder import Encoder, Indicate
from rightfit.tuning.parallel.forked_workers import close_shared_fork_server
from rightfit.tuning.search.setting_up import make_data
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

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
        "candidate": ["forest-000"],
        "latency_p50_ms": [3.0],
        "quality_raw": [0.99],
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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.studies = StudyStore(folder / "studies", None)
        self.blocks: dict[str, Any] = {}
        for name in ("ranking", "refit", "training", "evaluation"):
            self.blocks[name] = read_default(name)

    def make_chosen(self, model: str) -> Bundle:
        data = make_data(PARTS["train"], CARD.input_schema)
        bundle = train_bundle(self.folder / f"chosen-{model}", data, model, SETTINGS[model])
        self.studies.cell(f"{CARD.dataset}.{model}").record_weights(bundle)
        return offer_onnx(bundle, data.rows)

    def make_cascade(self) -> list[Bundle]:
        """Return a cascade, then its members."""
        members = [self.make_chosen(model) for model in ("linear", "forest")]
        names = [f"{one.model}-000" for one in members]
        configuration = dict(zip(("cheap", "expensive"), names, strict=True), threshold=0.7)
        bundles = dict(zip(names, members, strict=True))
        folder = self.folder / "cascade-000"
        return [join_members(configuration, bundles, folder, model="cascade"), *members]

    def refit_alone(self, *bundles: Bundle) -> list[Bundle]:
        """Return models as they are refitted where they win themselves."""
        return [self.run(one)[1][f"{one.model}-000"] for one in bundles]

    def run(
        self, *bundles: Bundle, when: str = "always", budget_s: float = 60
    ) -> tuple[Refits, dict[str, Bundle]]:
        """Refit the winner, which is the first."""
        searched = [bundle.model for bundle in bundles if bundle.model in SETTINGS]
        rows = [
            make_profile(
                f"{bundle.model}-000",
                quality=0.8 - place / 10,
                quality_raw=0.8 - place / 10,
                latency_p50_ms=2.0,
                fit_time_s=20.0 if bundle.model in searched else None,
            )
            for place, bundle in enumerate(bundles)
        ]
        ranking = self.blocks["ranking"]
        ranking["ties"]["rule_by_application"] = {}
        return refit_winners(
            make_profiles(*rows).with_columns(request_path=pl.lit("model")),
            ApplicationsParams({"any": make_application()}),
            RankingRules(**ranking),
            RefitParams.model_validate({"when": when, "budget_s": budget_s}),
            TrainingParams(**self.blocks["training"]),
            EvaluationParams(**self.blocks["evaluation"]),
            CARD,
            PARTS["train"],
            PARTS["validation"],
            PARTS["test"],
            PARTS["test"].with_columns(part=pl.lit("test")),
            Encoder(steps=(Indicate(column="age"),)),
            self.studies,
            JsonStore(self.folder / "measurements"),
            {},
            families={model: model for model in searched},
            **{
                f"candidates_of_{bundle.model}": {f"{bundle.model}-000": bundle}
                for bundle in bundles
                if bundle.data_version
            },
        )


@pytest.fixture(autouse=True, scope="module")
def fork_server() -> Iterator[None]:
    yield
    close_shared_fork_server()


@pytest.fixture
def refitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refitting:
    monkeypatch.setattr(refits_made, "measure_candidates", lambda *_args, **_kwargs: COSTS)
    return Refitting(tmp_path)


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
    assert refit.profiles == ()  # the costs of the chosen model hold


def test_another_structure_is_measured_again(refitting: Refitting) -> None:
    refits, _ = refitting.run(refitting.make_chosen("forest"))

    (refit,) = refits.found
    assert refit.structure_changed
    assert [row["latency_p50_ms"] for row in refit.profiles] == [3.0]


@pytest.mark.parametrize(("model", "profiles"), [("linear", []), ("forest", [(3.0, 0.8)])])
def test_winner_that_learns_from_all_rows_keeps_the_quality_it_was_chosen_with(
    refitting: Refitting, model: str, profiles: list[tuple[float, float]]
) -> None:
    chosen = refitting.make_chosen(model)
    refits, bundles = refitting.run(chosen, when="all_rows")

    (refit,) = refits.found
    assert (refit.n_rows, refit.learnt_from_test, refit.quality) == (390, True, None)
    assert bundles[f"{model}-000"].sha256 == refit.sha256 != chosen.sha256
    measured = [(row["latency_p50_ms"], row["quality_raw"]) for row in refit.profiles]
    assert measured == profiles  # costs of the refit, where its structure is another one
    assert refitting.run(chosen, when="all_rows")[0] == refits


def test_refit_that_was_made_before_is_neither_trained_nor_judged_again(
    refitting: Refitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = refitting.make_chosen("linear")
    first, _ = refitting.run(chosen)
    monkeypatch.setattr("rightfit.tuning.refitting.write_bundle", None)
    monkeypatch.setattr("rightfit.tuning.parallel.refits.forking", None)
    monkeypatch.setattr(Bundle, "load_native", None)

    again, _ = refitting.run(chosen)

    assert again == first


def test_refit_beyond_the_budget_is_left_out(refitting: Refitting) -> None:
    refits, bundles = refitting.run(refitting.make_chosen("linear"), budget_s=29)

    assert bundles == {}
    assert "would take about 30 s, and 29 s are left" in refits.found[0].why_not


def test_cascade_is_built_anew_of_its_refitted_members(refitting: Refitting) -> None:
    cascade, *members = refitting.make_cascade()
    refits, bundles = refitting.run(cascade, *members)
    again, kept = refitting.run(cascade, *members)

    (refit,) = refits.found
    assert (refit.candidate, refit.n_rows) == ("cascade-000", 300)
    assert set(bundles) == {"cascade-000"}  # its members are no winners
    built = bundles["cascade-000"]
    assert built.configuration == cascade.configuration
    assert built.sha256 == refit.sha256 != refit.chosen_sha256 == cascade.sha256
    (linear, forest), test = refitting.refit_alone(*members), PARTS["test"]
    is_unsure = answer(linear, test).max(axis=1) < np.float32(0.7)
    expected = np.where(is_unsure[:, None], answer(forest, test), answer(linear, test))
    np.testing.assert_allclose(answer(built, test), expected, atol=1e-6)
    assert refit.quality is not None
    assert refit.quality.n_rows == 90
    assert [row["latency_p50_ms"] for row in refit.profiles] == [3.0]  # measured again
    assert (again, kept["cascade-000"].sha256) == (refits, built.sha256)


def test_cascade_counts_the_training_of_both_members(refitting: Refitting) -> None:
    refits, bundles = refitting.run(*refitting.make_cascade(), budget_s=59)

    assert bundles == {}
    assert "would take about 60 s, and 59 s are left" in refits.found[0].why_not


def test_cascade_of_an_earlier_version_stays_as_it_is(refitting: Refitting) -> None:
    cascade, *members = refitting.make_cascade()
    names = [f"{one.model}-000" for one in members]
    stored = dict(zip(("cheap", "dear"), names, strict=True), threshold=0.7)
    refits, bundles = refitting.run(replace(cascade, configuration=stored), *members)

    assert bundles == {}
    assert "an earlier version of Rightfit stored this cascade" in refits.found[0].why_not


def test_imported_model_stays_as_it_is(refitting: Refitting) -> None:
    imported = replace(refitting.make_chosen("linear"), model="incumbent", data_version="")
    refits, bundles = refitting.run(imported)

    assert bundles == {}
    assert "an imported model is not refitted" in refits.found[0].why_not
