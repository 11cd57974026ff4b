"""What a fitted model says of itself: which kind it is, the columns it reads, its classes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rightfit.errors import RightfitError
from rightfit.families.imported.native_files import drop_numbers
from rightfit.families.schema import Task

Kind = Literal["estimator", "lightgbm", "xgboost", "catboost", "torch", "function", "onnx"]


@dataclass(frozen=True)
class Facts:
    """What a model says of itself.

    Args:
        kind: How it is called.
        name: Name of its type.
        task: What it predicts; ``None``: it does not say.
        classes: Names of its classes, in the order of its answers; empty where it names none.
        features: Names of the columns that it was fitted on; ``None``: it was on a matrix, or does
            not say.
        n_features: Number of its columns; ``None``: it does not say.
    """

    kind: Kind
    name: str
    task: Task | None
    classes: tuple[str, ...]
    features: tuple[str, ...] | None
    n_features: int | None


def describe_object(model: Any) -> Facts:
    """Read what a fitted model says of itself; no library is imported for it.

    Raises:
        RightfitError: If it is none that could be measured.
    """
    name = type(model).__name__
    if _is_of(model, "lightgbm", "Booster"):
        return _describe_lightgbm(model)
    if _is_of(model, "xgboost", "Booster"):
        return _describe_xgboost(model)
    if _is_of(model, "torch", "Module"):
        return Facts("torch", name, None, (), None, None)
    if hasattr(model, "predict") and not isinstance(model, type):
        kind: Kind = "catboost" if _is_of(model, "catboost", "CatBoost") else "estimator"
        return _describe_estimator(model, kind)
    if callable(model) and not isinstance(model, type):
        return Facts("function", getattr(model, "__name__", name), None, (), None, None)
    hint = f"; make one first: {model.__name__}(…).fit(X, y)" if isinstance(model, type) else ""
    said = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
    raise RightfitError(
        "A model must be a fitted estimator of scikit-learn, LightGBM, XGBoost or CatBoost, a "
        "torch module, an ONNX model, a function from rows to answers, or the path of a model "
        f"file, but got {said}{hint}."
    )


def name_class(value: Any) -> str:
    """Return a class label as text; whole numbers are alike whatever their type.

    >>> [name_class(value) for value in ("yes", 1, 1.0, np.int64(1), True)]
    ['yes', '1', '1', '1', 'True']
    """
    plain = value.item() if isinstance(value, np.generic) else value
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _is_of(model: Any, library: str, name: str) -> bool:
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == library
        for kind in type(model).__mro__
    )


def _describe_estimator(model: Any, kind: Kind) -> Facts:
    name = type(model).__name__
    classes = getattr(model, "classes_", None)
    if isinstance(classes, list) and any(isinstance(one, list | np.ndarray) for one in classes):
        raise RightfitError(f"{name} predicts several targets at once; measure a model of one.")
    names = tuple(map(name_class, np.asarray(classes).tolist())) if classes is not None else ()
    is_regressor = not names and (kind == "catboost" or _learns(model) == "regressor")
    task: Task | None = "classification" if names else "regression" if is_regressor else None
    own = getattr(model, "feature_names_in_", None)
    if own is None:
        own = getattr(model, "feature_names_", None)  # CatBoost's
    return Facts(kind, name, task, names, _keep_names(own), getattr(model, "n_features_in_", None))


def _learns(model: Any) -> str | None:
    """Return what an estimator of scikit-learn says that it is."""
    try:
        kind: str | None = model.__sklearn_tags__().estimator_type
    except Exception:  # older versions have no tags, and an estimator may break them
        kind = getattr(model, "_estimator_type", None)
    return kind


def _describe_lightgbm(booster: Any) -> Facts:
    found = re.search(r"^objective=(\w+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    objective = found[1] if found else ""
    n_models = booster.num_model_per_iteration()
    n_classes = 2 if objective == "binary" else n_models if objective.startswith("multi") else 0
    features = _keep_names(booster.feature_name())
    return _describe_booster("lightgbm", n_classes, features, booster.num_feature())


def _describe_xgboost(booster: Any) -> Facts:
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    if objective == "multi:softmax":
        raise RightfitError(
            "The Booster answers class numbers (multi:softmax); train it with multi:softprob, "
            "whose probabilities can be judged."
        )
    n_classes = (
        2 if objective.startswith("binary") else int(learner["learner_model_param"]["num_class"])
    )
    return _describe_booster(
        "xgboost", n_classes, _keep_names(booster.feature_names), booster.num_features()
    )


def _describe_booster(
    kind: Kind, n_classes: int, features: tuple[str, ...] | None, n_features: int
) -> Facts:
    task: Task = "classification" if n_classes else "regression"
    classes = tuple(map(str, range(n_classes)))
    return Facts(kind, "Booster", task, classes, features, n_features)


def _keep_names(names: Sequence[Any] | None) -> tuple[str, ...] | None:
    """Return names of columns that somebody gave; ``None`` for a library's numbers."""
    return drop_numbers(list(map(str, names))) or None if names is not None else None
