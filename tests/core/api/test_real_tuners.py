"""Models of AutoGluon and FLAML themselves, where they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

import rightfit as rf


@pytest.mark.long
def test_models_of_autogluon_are_measured_beside_each_other(tmp_path: Path) -> None:
    tabular = pytest.importorskip("autogluon.tabular")
    datasets = pytest.importorskip("sklearn.datasets")
    rows, targets = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    train, test = rows[:400], rows[400:]
    predictor = tabular.TabularPredictor("target", path=str(tmp_path / "ag"), verbosity=0)
    predictor.fit(
        train.assign(target=targets[:400]),
        time_limit=20,
        num_cpus=1,
        hyperparameters={"GBM": {}, "RF": {"n_estimators": 20}},
    )

    found = rf.compare({"theirs": predictor}, test, targets[400:])

    measured = {(profile.candidate, profile.serving.runtime) for profile in found}
    assert {("theirs", "native"), ("theirs.RandomForest", "native")} <= measured
    assert "theirs.RandomForest, onnx" in found.left_out
    assert ("theirs.LightGBM", "onnx") in measured or predictor.model_best == "LightGBM"


@pytest.mark.long
def test_model_of_flaml_is_measured_as_it_is() -> None:
    flaml = pytest.importorskip("flaml")
    datasets = pytest.importorskip("sklearn.datasets")
    rows, targets = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    automl = flaml.AutoML()
    automl.fit(
        rows[:400],
        targets[:400],
        task="classification",
        time_budget=5,
        n_jobs=1,
        verbose=0,
        estimator_list=["rf"],
    )

    found = rf.compare({"flaml": rf.candidates(automl)["rf"]}, rows[400:], targets[400:])

    assert [profile.serving.runtime for profile in found] == ["native"]
    assert "FLAML's own preparation" in found.left_out["flaml, onnx"]
