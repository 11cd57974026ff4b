"""Families of scikit-learn ensembles that grow: a description in place of a dozen functions.

Any classifier that takes ``warm_start`` and adds members to what it has can be described so:
random forests, extremely randomised trees, bagging, gradient boosting.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rightfit.families import forest
from rightfit.families.family import (
    Checkpoint,
    Configuration,
    Rows,
    Scaling,
    TrainingData,
    require_settings,
    split_training,
)
from rightfit.families.schema import InputSchema
from rightfit.families.sklearn_io import export_sklearn_onnx, load_skops, save_skops


class EnsembleFamily(ModuleType):
    """A family made from a scikit-learn ensemble; see :class:`rightfit.families.family.Family`.

    It is a module in the place of the one that describes it: the key of a search contains the
    source of its family's module and of what that imports, this one included.

    Args:
        module: ``__name__`` of the describing module; its last part names the family.
        estimator: Import path of the classifier's class.
        settings: What ``parameters_models.yml`` must set; each is an argument of the classifier.
        length_setting: The setting that counts the members: trees, or rounds of boosting.
        options: Arguments that are the same for every configuration.
        trusted: Types beside scikit-learn's own classes that its weights consist of.
    """

    devices: tuple[str, ...] = ("cpu",)
    weights_file: str = "weights.skops"
    has_int8: bool = False
    scaling: Mapping[str, Scaling] = forest.scaling
    growth: Scaling = "affine"

    def __init__(
        self,
        module: str,
        estimator: str,
        *,
        settings: tuple[str, ...],
        length_setting: str = "n_estimators",
        options: Mapping[str, Any] | None = None,
        trusted: tuple[str, ...] = ("sklearn.tree._tree.Tree",),
    ) -> None:
        super().__init__(module)
        self.__file__ = sys.modules[module].__file__
        self.name = module.rpartition(".")[2]
        self.length_setting = length_setting
        self._library, _, self._class = estimator.rpartition(".")
        self.native_imports: tuple[str, ...] = (self._library, "skops.io")
        self._settings = settings
        self._options = dict(options or {})
        self._trusted = trusted

    def load_libraries(self) -> None:
        """See :class:`rightfit.families.family.Family`."""
        for library in self.native_imports:
            importlib.import_module(library)

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.families.family.Family`."""
        require_settings(self.name, configuration, self._settings)

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> None:
        """Return ``None``: what members look like only emerges from training."""

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count the members' trees; a family of other members overrides this."""
        return forest.describe_structure(model)

    def train(
        self,
        configuration: Configuration,
        data: TrainingData,
        *,
        n_checkpoints: int,
        seed: int,
        n_threads: int,
        device: str,  # noqa: ARG002 -- CPU only
    ) -> Iterator[Checkpoint]:
        """Add members until there are as many as configured; a step is a member."""
        from threadpoolctl import threadpool_limits

        # OpenMP's threads wait for each other by spinning: where something else used a core, two
        # took many times the CPU seconds of one. Threads of joblib (n_jobs) do not.
        threadpool_limits(1, user_api="openmp")
        model = self._estimator(configuration, seed=seed, n_threads=n_threads)
        done = 0
        for n_members in split_training(configuration[self.length_setting], n_checkpoints):
            if n_members > done:
                model.set_params(**{self.length_setting: n_members})
                model.fit(data.rows, data.labels)
            done = n_members
            yield Checkpoint(model, n_steps=n_members)

    def predict_proba(self, model: Any, rows: Rows) -> Rows:
        """See :class:`rightfit.families.family.Family`."""
        probabilities: Rows = model.predict_proba(rows).astype(np.float32, copy=False)
        return probabilities

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:  # noqa: ARG002
        """Set the joblib threads where there are any; those of OpenMP are the process'."""
        model.set_params(warm_start=False)
        if "n_jobs" in model.get_params():
            model.set_params(n_jobs=n_threads)

    def save_weights(self, model: Any, path: Path) -> None:
        """See :class:`rightfit.families.family.Family`."""
        save_skops(model, path)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG002
        """See :class:`rightfit.families.family.Family`."""
        return load_skops(path, trusted=self._trusted, estimator=self._class)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """See :class:`rightfit.families.family.Family`."""
        return export_sklearn_onnx(model, schema)

    def _estimator(self, configuration: Configuration, *, seed: int, n_threads: int) -> Any:
        estimator = getattr(importlib.import_module(self._library), self._class)
        usual = {"random_state": seed, "n_jobs": n_threads, "warm_start": True}
        accepted = estimator().get_params()
        taken = {name: value for name, value in usual.items() if name in accepted}
        return estimator(**taken, **self._options, **configuration)
