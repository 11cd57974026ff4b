"""Logistic regression trained by stochastic gradient descent (scikit-learn)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.family import (
    Checkpoint,
    Configuration,
    Rows,
    Scaling,
    TrainingData,
    require_settings,
    split_training,
)
from rightfit.models.schema import InputSchema
from rightfit.models.sklearn_io import export_sklearn_onnx, load_skops, save_skops

name = "linear"
devices: tuple[str, ...] = ("cpu",)
weights_file = "weights.skops"
native_imports: tuple[str, ...] = ("sklearn.linear_model", "skops.io")
length_setting = "n_epochs"
has_int8 = False
scaling: Mapping[str, Scaling] = {}

_SETTINGS = ("n_epochs", "alpha", "penalty", "learning_rate", "eta0")


def load_libraries() -> None:
    """See :class:`rightfit.models.family.Family`."""
    import sklearn.linear_model  # noqa: F401
    import skops.io  # noqa: F401


def check_configuration(configuration: Configuration) -> None:
    """See :class:`rightfit.models.family.Family`."""
    require_settings(name, configuration, _SETTINGS)


def build_untrained(configuration: Configuration, schema: InputSchema, *, seed: int) -> Any:
    """Return a model with random coefficients: its cost to serve is that of a trained one."""
    model = _estimator(configuration, seed=seed)
    rng = np.random.default_rng(seed)
    labels = np.arange(schema.n_classes)
    rows = rng.standard_normal((schema.n_classes, schema.n_features), dtype=np.float32)
    return model.partial_fit(rows, labels, classes=labels)


def train(
    configuration: Configuration,
    data: TrainingData,
    *,
    n_checkpoints: int,
    seed: int,
    n_threads: int,  # noqa: ARG001 -- SGD takes one row after another
    device: str,  # noqa: ARG001 -- CPU only
) -> Iterator[Checkpoint]:
    """Pass over the shuffled rows ``n_epochs`` times; a step is a pass."""
    model = _estimator(configuration, seed=seed)
    rng = np.random.default_rng(seed)
    classes = np.arange(data.schema.n_classes)
    done = 0
    for n_epochs in split_training(configuration["n_epochs"], n_checkpoints):
        for _ in range(done, n_epochs):
            order = rng.permutation(len(data.labels))
            model.partial_fit(data.rows[order], data.labels[order], classes=classes)
        done = n_epochs
        yield Checkpoint(model, n_steps=done)


def predict_proba(model: Any, rows: Rows) -> Rows:
    """See :class:`rightfit.models.family.Family`."""
    probabilities: Rows = model.predict_proba(rows).astype(np.float32, copy=False)
    return probabilities


def set_serving(model: Any, *, n_threads: int, device: str) -> None:
    """Change nothing: numpy's threads are fixed by the process' environment."""


def save_weights(model: Any, path: Path) -> None:
    """See :class:`rightfit.models.family.Family`."""
    save_skops(model, path)


def load_weights(path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG001
    """See :class:`rightfit.models.family.Family`."""
    return load_skops(path, trusted=())


def export_onnx(model: Any, schema: InputSchema) -> bytes:
    """See :class:`rightfit.models.family.Family`."""
    return export_sklearn_onnx(model, schema)


def _estimator(configuration: Configuration, *, seed: int) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="log_loss",
        alpha=configuration["alpha"],
        penalty=configuration["penalty"],
        learning_rate=configuration["learning_rate"],
        eta0=configuration["eta0"],
        shuffle=False,  # the rows arrive shuffled anew each pass
        random_state=seed,
        average=True,
    )
