"""Estimators of scikit-learn as the configuration names them, not yet fitted."""

from __future__ import annotations

import importlib
from typing import Any

from rightfit.families.by_path.imports import import_by_path

_REGRESSORS = (("Classifier", "Regressor"), ("classifier", "regressor"), ("SVC", "SVR"))


def make_estimator(path: str) -> Any:
    """Make an estimator from the import path of its class, or of a function that returns one.

    Raises:
        ValueError: If the path leads nowhere, to what needs arguments, or to no estimator.
    """
    make = import_by_path(path, key="estimator")
    try:
        made = make()
    except TypeError as err:
        raise ValueError(
            f"{path} can't be made without arguments: {err}. Name a function of your own that "
            "returns the estimator. Correct estimator in parameters_models.yml."
        ) from err
    if not (hasattr(made, "fit") and hasattr(made, "get_params")):
        raise ValueError(
            f"{path} is no estimator of scikit-learn: it has no fit or no get_params. Correct "
            "estimator in parameters_models.yml."
        )
    return made


def find_regressor(path: str) -> str:
    """Return the import path of the regressor of a classifier's name; the same if there is none."""
    for suffix, other in _REGRESSORS:
        library, _, name = (path.removesuffix(suffix) + other).rpartition(".")
        if path.endswith(suffix) and hasattr(importlib.import_module(library), name):
            return f"{library}.{name}"
    return path


def list_steps(model: Any) -> list[Any]:
    """Return an estimator, or the pipeline's steps and the pipeline."""
    return [model, *(step for _, step in getattr(model, "steps", ()))]


def keep_rows_only(neighbours: Any) -> None:
    """Search neighbours without a tree: its nodes can't be stored in a form that is checked.

    Raises:
        ValueError: If a tree is asked for.
    """
    if neighbours.get_params().get("algorithm") == "auto":
        neighbours.set_params(algorithm="brute")
    elif neighbours.get_params().get("algorithm") in ("ball_tree", "kd_tree"):
        raise ValueError(
            "algorithm must be brute or auto, since a tree of neighbours can't be stored without "
            f"pickle, but got {neighbours.algorithm!r}."
        )
