from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.data_cards import make_data_card
from factories.recordings import application, pausing_params

from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.serving import Serving
from rightfit.params.applications import ApplicationsParams
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit_kedro.pipelines.training.nodes import TABLE, plan_cell, tune_model
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.setting_up import make_settings, make_targets
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.training_params import TrainingParams
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import prepare_dataset
from rightfit_search.tables.tables import read_tables

pytestmark = pytest.mark.whole

TINY = Tier(name="tiny", n_cores=1, memory_mib=1024, device="cpu", price_per_hour=0.01)
TRAINING: dict[str, Any] = {
    "n_trials": 3,
    "budget_cpu_s": None,
    "budget_wall_s": None,
    "n_jobs": 1,
    "n_retries": 2,
    "n_checkpoints": 2,
    "sampler": "random",
    "n_grid_points": 2,
    "early_stopping": "none",
    "n_startup_trials": 1,
    "n_candidates": 2,
    "final": {"learns_validation": True, "max_s": 60},
    "n_threads": "all",
    "device": "cpu",
    "seed": 1,
    "patience": None,
    "pausing": pausing_params(),
    "breadth_share": 1.0,
    "paused_memory_mib": 100,
}
EVALUATION = EvaluationParams.model_validate(
    read_default("evaluation")
    | {"runtimes": ["native", "onnx", "onnx_int8"], "n_threads": [1], "tiers": [TINY]}
)
APPLICATIONS = Applications({"accuracy": application(), "small": application(max_size_mib=9)})
LINEAR: dict[str, Any] = {
    "fixed": {"n_epochs": 2, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.1},
    "space": {"alpha": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}},
}


def tune(
    data: TrainingData,
    folder: Path,
    model: dict[str, Any],
    *,
    predicts: bool = False,
    **training: Any,
) -> Any:
    frame = pl.DataFrame(data.rows, schema=list(data.schema.features)).with_columns(
        label=pl.Series(data.labels)
    )
    quality = {"name": "accuracy", "worst": 0.0, "best": 1.0}
    card = make_data_card("blobs", input_schema=data.schema.to_dict(), quality=quality)
    return tune_model(
        frame,
        frame,
        card,
        StudyStore(folder, None),
        ModelBlock.model_validate({"family": "linear"} | model),
        TrainingParams.model_validate(TRAINING | training),
        ApplicationsParams.model_validate(APPLICATIONS.model_dump()),
        EVALUATION,
        cell_name="blobs.linear",
        predicts=predicts,
    )


@pytest.mark.parametrize(("labelling_s", "budget_s"), [(0.0, 40), (15.0, 25), (90.0, 20)])
def test_labelling_counts_in_a_searchs_budget_at_most_half(
    blobs: TrainingData, tmp_path: Path, labelling_s: float, budget_s: float
) -> None:
    frame = pl.DataFrame(blobs.rows, schema=list(blobs.schema.features)).with_columns(
        label=pl.Series(blobs.labels)
    )
    quality = {"name": "accuracy", "worst": 0.0, "best": 1.0}
    card = make_data_card("blobs", input_schema=blobs.schema.to_dict(), quality=quality)
    rows = card.rows.model_copy(update={"labelling_s": labelling_s})

    planned = plan_cell(
        frame,
        frame,
        card.model_copy(update={"rows": rows}),
        StudyStore(tmp_path, None),
        ModelBlock.model_validate({"family": "linear"} | LINEAR),
        TrainingParams.model_validate(TRAINING | {"budget_cpu_s": 40}),
        ApplicationsParams.model_validate(APPLICATIONS.model_dump()),
        EVALUATION,
        cell_name="blobs.linear",
        n_searches=1,
    )

    assert planned.settings.budget_cpu_s == budget_s


def test_tune_model_returns_trials_curves_and_exported_candidates(
    blobs: TrainingData, tmp_path: Path
) -> None:
    trials, curves, audit, candidates = tune(blobs, tmp_path, LINEAR)

    assert audit.height == 0  # quality alone decided
    assert trials.height == 3
    assert curves.height == 6
    assert 1 <= len(candidates) <= 2
    for name, bundle in candidates.items():
        assert name.startswith("linear-")
        assert bundle.onnx["agreement"] >= 0.999


@pytest.mark.parametrize(
    ("final", "n_rows"),
    [
        ({"learns_validation": True, "max_s": 60}, 120),
        ({"learns_validation": True, "never_for": ["others"], "max_s": 60}, 120),
        ({"learns_validation": True, "never_for": ["blobs"], "max_s": 60}, 60),
        ({"learns_validation": True, "max_s": 0}, 60),  # it would take too long
        ({"learns_validation": False, "max_s": 60}, 60),
    ],
)
def test_candidates_learn_validation_rows_unless_that_is_declared_wrong(
    blobs: TrainingData, tmp_path: Path, final: dict[str, Any], n_rows: int
) -> None:
    """There are 60 rows to train on, and the same 60 to judge by."""
    *_, candidates = tune(blobs, tmp_path, LINEAR, final=final)

    assert {bundle.n_training_rows for bundle in candidates.values()} == {n_rows}


def test_validation_predictions_and_usual_rates_are_returned_where_cascades_want_them(
    blobs: TrainingData, tmp_path: Path
) -> None:
    trials, *_, candidates, predictions = tune(blobs, tmp_path, LINEAR, predicts=True)

    assert predictions.columns == list(candidates)
    assert predictions.height == len(blobs.labels)
    probabilities = predictions.to_series().to_numpy()
    assert probabilities.shape == (len(blobs.labels), len(blobs.schema.classes))
    (rate,) = trials["usual_rows_per_s"].unique()  # of linear models of the same columns
    assert rate > 1e6


def test_tune_model_lets_applications_steer_and_accounts_for_the_search(
    blobs: TrainingData, tmp_path: Path
) -> None:
    trials, _, audit, candidates = tune(blobs, tmp_path, LINEAR, early_stopping="pausing")

    assert trials.height == 3
    assert audit["application"].to_list() == ["accuracy", "small"]
    assert audit["n_trials"].to_list() == [3, 3]
    assert f"linear-{audit['winner'][0]:03d}" in candidates


def test_tune_model_refuses_a_setting_the_family_does_not_know(
    blobs: TrainingData, tmp_path: Path
) -> None:
    faulty = LINEAR | {"fixed": LINEAR["fixed"] | {"momentum": 0.9}}

    with pytest.raises(ValueError, match=r"unknown=\['momentum'\]"):
        tune(blobs, tmp_path, faulty)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", ["n_trials", "budget_cpu_s", "budget_wall_s", "patience"])
def test_training_needs_one_limit(limit: str) -> None:
    no_limit = TRAINING | {"n_trials": None, "budget_cpu_s": None, "budget_wall_s": None}

    assert TrainingParams.model_validate(no_limit | {limit: 9})
    with pytest.raises(ValueError, match=r"a search would never end\. Give at least one"):
        TrainingParams.model_validate(no_limit)


def test_patience_is_refused_where_trials_end_together() -> None:
    with pytest.raises(ValueError, match="a pausing search finishes none before its end"):
        TrainingParams.model_validate(TRAINING | {"early_stopping": "pausing", "patience": 2})


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightfit_search.searching.training_params.usable_cores", lambda: 8)

    n_threads = [
        make_settings(TrainingParams.model_validate(TRAINING | {"n_jobs": n}), "linear")
        for n in (1, 3, 9)
    ]

    assert [settings.n_threads for settings in n_threads] == [8, 2, 1]


def test_a_search_serves_the_runtimes_that_answer_as_the_trained_model() -> None:
    training = TrainingParams.model_validate(TRAINING)
    targets = make_targets(training, APPLICATIONS, EVALUATION, "linear")

    assert targets.servings == (Serving("native", 1, "cpu"), Serving("onnx", 1, "cpu"))


def test_tune_model_trains_its_candidates_on_rows_beyond_the_sample(tmp_path: Path) -> None:
    values = pl.Series("x", range(4_000), dtype=pl.Float32)
    orders = pl.DataFrame({"x": values, "late": values.cast(pl.Int64) * 7 % 11 + values > 2_000})
    orders.write_parquet(tmp_path / "orders.parquet")
    scan = pl.scan_parquet(tmp_path / "orders.parquet")
    block: dict[str, Any] = {"tables": ["orders"], "target": {"column": "late"}}
    prepared = prepare_dataset(
        "orders",
        DatasetBlock.model_validate(block | {"max_train_rows": 400, "max_test_rows": 200}),
        read_tables({"orders": "orders"}, [scan]),
    )
    _, _, _, candidates = tune_model(
        prepared.encode("train"),
        prepared.encode("validation"),
        prepared.data_card,
        StudyStore(tmp_path / "studies", None),
        ModelBlock.model_validate({"family": "linear"} | LINEAR),
        TrainingParams.model_validate(TRAINING | {"rows": "all"}),
        ApplicationsParams.model_validate(APPLICATIONS.model_dump()),
        EVALUATION,
        cell_name="orders.linear",
        spec=prepared.spec,
        rows=prepared.rows,
        encoder=prepared.encoder,
        **{f"{TABLE}orders": scan},
    )

    assert {bundle.n_training_rows for bundle in candidates.values()} == {3_200}
    assert all(bundle.onnx for bundle in candidates.values())
