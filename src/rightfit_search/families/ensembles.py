"""Families of scikit-learn ensembles that grow: a description in place of a dozen functions.

Any classifier that takes ``warm_start`` and adds members to what it has can be described so:
random forests, extremely randomised trees, bagging, gradient boosting. Its regressor comes with it.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration
from rightfit.models.sklearn_io import load_skops, set_joblib_threads
from rightfit_search.families.family import Checkpoint, Scaling, TrainingRun, require_settings
from rightfit_search.families.sklearn_family import SklearnFamily, measure_tree
from rightfit_search.families.sklearn_training import grow_members


class EnsembleFamily(SklearnFamily):
    """A family made from a scikit-learn ensemble; see :class:`rightfit.Family`.

    Args:
        estimator: Import path of the classifier's class, or of a regressor's.
        settings: What a model's block must set; each is an argument of the estimator.
        length_setting: The setting that counts the members: trees, or rounds of boosting.
        options: Arguments that are the same for every configuration.
        trusted: Types beside scikit-learn's own classes that its weights consist of.
        regressor: Import path of the class for regression; ``None`` for scikit-learn's name of
            it, ``…Regressor`` beside ``…Classifier``.
    """

    length_setting: str = "n_estimators"
    growth: Scaling = "affine"

    def __init__(
        self,
        estimator: str,
        *,
        settings: tuple[str, ...],
        length_setting: str = "n_estimators",
        options: Configuration | None = None,
        trusted: tuple[str, ...] = ("sklearn.tree._tree.Tree",),
        regressor: str | None = None,
    ) -> None:
        if regressor is None and estimator.endswith("Classifier"):
            regressor = estimator.removesuffix("Classifier") + "Regressor"
        paths: dict[Task, str] = {"classification": estimator}
        if estimator.endswith("Regressor"):
            paths = {"regression": estimator}
        elif regressor is not None:
            paths["regression"] = regressor
        self.length_setting = length_setting
        self._estimators = paths
        self._settings = settings
        self._options = dict(options or {})
        self._trusted = trusted

    def check_task(self, task: Task) -> None:
        """See :class:`rightfit.Family`."""
        if task not in self._estimators:
            raise RightfitError(
                f"{', '.join(self._estimators.values())} can't learn {task}, only "
                f"{', '.join(self._estimators)}; describe a family of {task} beside it"
            )

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        require_settings(configuration, self._settings)

    def count_columns(self, configuration: Configuration, n_features: int) -> float:
        """Return what ``max_features`` leaves of the columns."""
        chosen = configuration.get("max_features")
        if chosen == "sqrt":
            return math.sqrt(n_features)
        if chosen == "log2":
            return math.log2(max(n_features, 2))
        return n_features * (chosen if isinstance(chosen, float) else 1.0)

    def check_values(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        for task in self._estimators:
            try:
                self._make_estimator(task, configuration, seed=0, n_threads=1)._validate_params()
            except TypeError as err:
                raise RightfitError(str(err)) from err

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count trees, their nodes, the stored numbers, and the comparisons of an average row."""
        n_nodes, n_stored, n_compared = zip(*map(measure_tree, self.list_trees(model)), strict=True)
        return {
            "n_parameters": float(sum(n_stored)),
            "n_operations": float(sum(n_compared)),
            "n_nodes": float(sum(n_nodes)),
            "n_trees": float(len(n_nodes)),
        }

    def list_trees(self, model: Any) -> list[Any]:
        """Return the trees of a fitted ensemble; a family of other members overrides this."""
        members = np.asarray(model.estimators_, dtype=object)  # of gradient boosting one a class
        return [member.tree_ for member in members.ravel()]

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Add members until there are as many as configured; a step is a member."""
        model = self._make_estimator(
            run.data.schema.task, run.configuration, seed=run.seed, n_threads=run.n_threads
        )
        return grow_members(model, run, length_setting=self.length_setting)

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:  # noqa: ARG002
        """Set the joblib threads where there are any; those of OpenMP are the process'."""
        model.set_params(warm_start=False)
        set_joblib_threads(model, n_threads)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.Family`."""
        name = self.find_estimator(schema.task, configuration).rpartition(".")[2]
        return load_skops(path, trusted=self._trusted, estimator=name)

    def find_estimator(self, task: Task, configuration: Configuration) -> str:  # noqa: ARG002
        """Return the import path of the estimator that learns a task.

        Raises:
            RightfitError: If none does.
        """
        self.check_task(task)
        return self._estimators[task]

    def _make_estimator(
        self, task: Task, configuration: Configuration, *, seed: int, n_threads: int
    ) -> Any:
        library, _, name = self.find_estimator(task, configuration).rpartition(".")
        estimator = getattr(importlib.import_module(library), name)
        usual = {"random_state": seed, "n_jobs": n_threads, "warm_start": True}
        accepted = estimator().get_params()
        accepted_settings = {name: value for name, value in usual.items() if name in accepted}
        settings = {name: configuration[name] for name in accepted if name in configuration}
        return estimator(**accepted_settings, **self._options, **settings)
