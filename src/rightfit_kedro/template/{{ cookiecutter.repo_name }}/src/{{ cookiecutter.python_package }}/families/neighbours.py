"""Nearest neighbours: an example of a family that is not the library's.

It cannot grow step by step, so its checkpoints are models of growing shares of the training rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rightfit_search.families.family import (
    Checkpoint,
    Scaling,
    TrainingData,
    TrainingRun,
    require_settings,
    split_training,
)
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration
from rightfit_search.families.sklearn_family import SklearnFamily
from rightfit.models.sklearn_io import load_skops

SETTINGS = ("n_shares", "n_neighbors", "weights")
ESTIMATORS: Mapping[Task, str] = {
    "classification": "KNeighborsClassifier",
    "regression": "KNeighborsRegressor",
}


class NeighboursFamily(SklearnFamily):
    """See rightfit.Family for what each method must do, and what else a family can do.

    SklearnFamily predicts, saves and exports as scikit-learn's estimators do.
    """

    length_setting: str = "n_shares"
    growth: Scaling = "affine"  # a model of more rows takes more

    def check_configuration(self, configuration: Configuration) -> None:
        """Refuse missing and unknown settings."""
        require_settings(configuration, SETTINGS)

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count the stored numbers; each is compared with once a row."""
        size = float(model._fit_X.size)
        return {"n_parameters": size, "n_operations": size}

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Fit on growing shares of the shuffled rows; a step is a row."""
        import sklearn.neighbors

        configuration, data = run.configuration, run.data
        estimator = getattr(sklearn.neighbors, ESTIMATORS[data.schema.task])
        order = _put_each_class_first(
            np.random.default_rng(run.seed).permutation(len(data.labels)), data
        )
        n_shares = configuration["n_shares"]
        for share in split_training(n_shares, run.n_checkpoints):
            chosen = order[: len(order) * share // n_shares]
            model = estimator(
                min(configuration["n_neighbors"], len(chosen)),
                weights=configuration["weights"],
                algorithm="brute",
                n_jobs=run.n_threads,
            )
            yield Checkpoint(model.fit(data.rows[chosen], data.labels[chosen]), len(chosen))

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:
        """Answer with so many threads."""
        model.set_params(n_jobs=n_threads)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """Read back what save_weights wrote."""
        return load_skops(path, trusted=(), estimator=ESTIMATORS[schema.task])


def _put_each_class_first(order: Any, data: TrainingData) -> Any:
    """Let even the smallest share hold a row of every class."""
    if data.schema.task == "regression":
        return order
    _, first = np.unique(data.labels[order], return_index=True)
    return np.concatenate([order[first], np.delete(order, first)])


FAMILY = NeighboursFamily()
