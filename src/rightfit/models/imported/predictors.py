"""Models of other tuners as candidates: AutoGluon's predictor, FLAML's search, Optuna's trials.

AutoGluon keeps models in a folder of its own. A model of it travels as that folder's path,
which the measured process opens with AutoGluon; the folder must stay where it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of

BOOSTERS = {"LightGBM": "lightgbm", "XGBoost": "xgboost", "CatBoost": "catboost"}
"""Libraries whose trees ONNX holds, by how AutoGluon calls its models."""


@dataclass(frozen=True)
class Trees:
    """Boosted trees without the wrapper of the tuner that trained them.

    Args:
        library: ``lightgbm``, ``xgboost`` or ``catboost``.
        model: The library's model.
        features: Columns that it reads, in its order.
    """

    library: str
    model: Any
    features: tuple[str, ...]


class AutoGluonModel:
    """One model of a fitted ``TabularPredictor``, called as an estimator.

    Args:
        folder: The predictor's own folder.
        model: Name of the model in it.
        modules: What it is made of, imported before it is opened.
        predictor: The predictor; ``None``: it is opened from the folder.
    """

    def __init__(
        self,
        folder: str,
        model: str,
        modules: tuple[ModuleType, ...],
        predictor: Any | None = None,
    ) -> None:
        if predictor is None:
            from autogluon.tabular import TabularPredictor

            predictor = TabularPredictor.load(folder, verbosity=0)
            predictor.persist([model])  # with all that it asks, so that no call reads files
        self.folder, self.model, self.modules = folder, model, modules
        self._predictor = predictor
        self.feature_names_in_ = tuple(map(str, predictor.features()))
        self._estimator_type = "regressor"
        if predictor.problem_type in ("binary", "multiclass"):
            self._estimator_type = "classifier"
            self.classes_ = list(predictor.class_labels)
            self.predict_proba = self._predict_proba

    def __reduce__(self) -> tuple[type[AutoGluonModel], tuple[Any, ...]]:
        """Travel as the folder's path."""
        return AutoGluonModel, (self.folder, self.model, self.modules)

    def predict(self, rows: Any) -> Any:
        """Return a label or a value of each row of a pandas frame, shape (n_rows,)."""
        return self._predictor.predict(rows, model=self.model).to_numpy()

    def _predict_proba(self, rows: Any) -> Any:
        answers = self._predictor.predict_proba(rows, model=self.model, as_multiclass=True)
        return answers[self.classes_].to_numpy()

    def find_trees(self) -> Trees:
        """Return the model's trees.

        Raises:
            RightfitError: If the model is no single model of boosted trees.
        """
        library = next((one for key, one in BOOSTERS.items() if self.model.startswith(key)), None)
        trainer = self._predictor._trainer
        if library is None or len(trainer.get_minimum_model_set(self.model)) > 1:
            raise RightfitError(
                f"of AutoGluon's models only single ones of {', '.join(BOOSTERS)} have an ONNX form"
            )
        single = trainer.load_model(self.model)
        if hasattr(single, "load_child"):  # bagged
            if len(single.models) > 1:
                raise RightfitError("a model of several folds has no ONNX form")
            single = single.load_child(single.models[0])
        return Trees(library, single.model, tuple(map(str, single.features)))


def is_predictor(model: object) -> bool:
    """Tell whether a model is a predictor of AutoGluon; it is not imported for it.

    >>> is_predictor(1)
    False
    """
    return is_of(model, "autogluon", "TabularPredictor")


def list_models(predictor: Any) -> dict[str, AutoGluonModel]:
    """Return a predictor's models by name: first the one that it answers with, as delivered.

    Of a bagged model that was refitted on all rows, the refitted one stands for both.

    Raises:
        RightfitError: If it is not fitted, or predicts something else than a class or a value.
    """
    if not getattr(predictor, "is_fit", False):
        raise RightfitError("TabularPredictor is not fitted yet: call its fit(...) first.")
    if predictor.problem_type not in ("binary", "multiclass", "regression"):
        raise RightfitError(
            "Models of AutoGluon are measured that predict a class or a value, but got one of "
            f"problem_type {predictor.problem_type!r}."
        )
    best = predictor.model_best
    refitted = predictor.model_refit_map()
    others = [name for name in predictor.model_names(can_infer=True) if name not in refitted]
    return {
        name: AutoGluonModel(
            str(predictor.path), name, _list_modules(predictor, name), predictor=predictor
        )
        for name in dict.fromkeys((best, *others))
    }


def expand_predictors(models: Mapping[str, object]) -> dict[str, object]:
    """Return models by name, each predictor as the models that it consists of.

    The one that a predictor answers with keeps the predictor's name; the others have theirs behind
    a point.

    Raises:
        RightfitError: If a predictor cannot be measured, or two models have one name.
    """
    expanded: dict[str, object] = {}
    for name, model in models.items():
        parts: dict[str, object] = {name: model}
        if is_predictor(model):
            best, *others = list_models(model).items()
            parts = {name: best[1], **{f"{name}.{own}": one for own, one in others}}
        if taken := sorted(parts.keys() & expanded.keys()):
            raise RightfitError(f"models: {taken[0]!r} names two models; rename one.")
        expanded |= parts
    return expanded


def build_trials(
    study: Any, build: Callable[[dict[str, Any]], Any], rows: Any, targets: Any, *, most: int
) -> dict[str, Any]:
    """Fit what a study's best trials describe.

    Args:
        study: A finished study of Optuna. Of several directions the trials that no other beats in
            all of them come first.
        build: Returns an estimator, not fitted, from a trial's ``params``.
        rows: Rows to fit on.
        targets: Their targets.
        most: How many trials at most.

    Returns:
        Fitted estimators by name: ``trial`` and the trial's number.

    Raises:
        RightfitError: If no trial is complete.
    """
    trials = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not trials:
        raise RightfitError("The study has no complete trial: call its optimize(...) first.")
    if len(study.directions) > 1:
        trials = list(study.best_trials)
    else:
        is_max = study.direction.name == "MAXIMIZE"
        trials.sort(key=lambda trial: trial.value, reverse=is_max)
    return {
        f"trial {trial.number}": build(dict(trial.params)).fit(rows, targets)
        for trial in trials[:most]
    }


def _list_modules(predictor: Any, name: str) -> tuple[ModuleType, ...]:
    """Return AutoGluon, pandas and the libraries of what a model asks."""
    trainer = predictor._trainer
    found = {"autogluon.tabular", "pandas"}
    for one in trainer.get_minimum_model_set(name):
        model = trainer.load_model(one)
        if children := getattr(model, "models", None):
            model = model.load_child(children[0])
        library = type(getattr(model, "model", None)).__module__.partition(".")[0]
        if library not in ("builtins", "autogluon"):
            found.add(library)
    return tuple(importlib.import_module(name) for name in sorted(found))
