"""Other tuners' models as candidates: a small stand-in for AutoGluon, and Optuna itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import rightfit as rf

PREDICTOR = '''
import pickle
from pathlib import Path
from types import SimpleNamespace

import pandas


class TabularPredictor:
    """Answers by a threshold of the first column, each model by its own."""

    is_fit, problem_type, class_labels = True, "binary", ["no", "yes"]
    model_best = "Ensemble"

    def __init__(self, path):
        self.path = path
        self._trainer = SimpleNamespace(
            get_minimum_model_set=lambda name: [name],
            load_model=lambda name: SimpleNamespace(model=None),
        )

    @classmethod
    def load(cls, path, verbosity):
        if not Path(path).is_dir():
            raise FileNotFoundError(path)
        return cls(path)

    def persist(self, models):
        self.persisted = models

    def features(self):
        return ["a", "b"]

    def model_names(self, can_infer):
        return ["Forest_BAG", "Forest_BAG_FULL", "Ensemble"]

    def model_refit_map(self):
        return {"Forest_BAG": "Forest_BAG_FULL"}

    def predict(self, rows, model):
        return self.predict_proba(rows, model)["yes"].gt(0.5).map({True: "yes", False: "no"})

    def predict_proba(self, rows, model, as_multiclass=True):
        yes = (rows["a"] > (0.5 if model == "Ensemble" else 0.7)).astype(float)
        return pandas.DataFrame({"no": 1 - yes, "yes": yes})
'''


@pytest.fixture
def predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    package = tmp_path / "site" / "autogluon"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tabular.py").write_text(PREDICTOR)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name in ("autogluon", "autogluon.tabular"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from autogluon.tabular import TabularPredictor

    (tmp_path / "models").mkdir()
    return TabularPredictor(str(tmp_path / "models"))


def test_models_of_a_predictor_are_candidates_of_their_own(predictor: object) -> None:
    found = rf.candidates(predictor)

    assert [*found] == ["Ensemble", "Forest_BAG_FULL"]  # refitted ones stand for their folds
    assert found["Ensemble"].classes_ == ["no", "yes"]


def test_predictor_is_compared_as_its_models_each_in_a_fresh_process(predictor: object) -> None:
    rows = pl.DataFrame({"a": np.linspace(0, 1, 100), "b": 0.0})
    targets = np.where(rows["a"].to_numpy() > 0.5, "yes", "no")

    found = rf.compare({"theirs": predictor}, rows, targets)

    quality = {profile.candidate: profile["quality"].value for profile in found}
    assert quality == {
        "theirs": 1.0,
        "theirs.Forest_BAG_FULL": pytest.approx(0.6),
    }  # 0: as good as guessing
    assert "theirs, onnx" in found.left_out


def test_measured_alone_a_predictor_is_the_model_that_it_answers_with(predictor: object) -> None:
    rows = pl.DataFrame({"a": np.linspace(0, 1, 100), "b": 0.0})
    targets = np.where(rows["a"].to_numpy() > 0.5, "yes", "no")

    found = rf.measure(predictor, rows, targets)

    assert (found.candidate, found["quality"].value) == ("TabularPredictor", 1.0)


def test_name_of_two_models_is_refused(predictor: object) -> None:
    models = {"theirs.Forest_BAG_FULL": len, "theirs": predictor}

    with pytest.raises(rf.RightfitError, match=r"theirs\.Forest_BAG_FULL' names two models"):
        rf.compare(models, pl.DataFrame({"a": [0.0], "b": [0.0]}))


def test_predictor_of_another_problem_is_refused(predictor: object) -> None:
    predictor.problem_type = "quantile"  # type: ignore[attr-defined]

    with pytest.raises(rf.RightfitError, match="problem_type 'quantile'"):
        rf.candidates(predictor)


def test_best_trials_of_a_study_are_built_and_fitted() -> None:
    optuna = pytest.importorskip("optuna")
    tree = pytest.importorskip("sklearn.tree")
    x, y = np.arange(8.0).reshape(-1, 1), np.arange(8) % 2
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    study.optimize(lambda trial: trial.suggest_int("max_depth", 1, 9), n_trials=5)

    found = rf.candidates(
        study, x, y, build=lambda params: tree.DecisionTreeClassifier(**params), most=2
    )

    best = study.best_trial
    assert next(iter(found)) == f"trial {best.number}"
    assert len(found) == 2
    assert found[f"trial {best.number}"].max_depth == best.params["max_depth"]


def test_study_without_what_builds_its_models_is_refused() -> None:
    optuna = pytest.importorskip("optuna")

    with pytest.raises(rf.RightfitError, match="give build, rows and targets"):
        rf.candidates(optuna.create_study())


def test_what_no_tuner_has_found_is_refused() -> None:
    with pytest.raises(rf.RightfitError, match="but got a int"):
        rf.candidates(1)
