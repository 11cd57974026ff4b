"""Random forest grown tree by tree (scikit-learn, warm start)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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

name = "forest"
devices: tuple[str, ...] = ("cpu",)
weights_file = "weights.skops"
native_imports: tuple[str, ...] = ("sklearn.ensemble", "skops.io")
length_setting = "n_estimators"
has_int8 = False
scaling: Mapping[str, Scaling] = {
    "latency_p50_ms": "affine",
    "latency_p95_ms": "affine",
    "latency_p99_ms": "affine",
    "peak_memory_mib": "affine",
    "model_memory_mib": "affine",
    "model_size_mib": "affine",
    "load_time_ms": "affine",
    "fit_time_s": "affine",
}

growth: Scaling = "affine"

_SETTINGS = ("n_estimators", "max_depth", "min_samples_leaf", "max_features")
_TRUSTED = ("sklearn.tree._tree.Tree",)


def load_libraries() -> None:
    """See :class:`rightfit.families.family.Family`."""
    import sklearn.ensemble  # noqa: F401
    import skops.io  # noqa: F401


def check_configuration(configuration: Configuration) -> None:
    """See :class:`rightfit.families.family.Family`."""
    require_settings(name, configuration, _SETTINGS)


def build_untrained(configuration: Configuration, schema: InputSchema, *, seed: int) -> None:
    """Return ``None``: the trees' shape only emerges from training."""


def describe_structure(model: Any) -> dict[str, float]:
    """Count trees, their nodes, the stored numbers, and the comparisons of an average row."""
    trees = [estimator.tree_ for estimator in model.estimators_]
    n_nodes = sum(tree.node_count for tree in trees)
    return {
        "n_parameters": float(sum(tree.node_count * (2 + tree.value[0].size) for tree in trees)),
        "n_operations": float(sum(_mean_depth(tree) for tree in trees)),
        "n_nodes": float(n_nodes),
        "n_trees": float(len(trees)),
    }


def train(
    configuration: Configuration,
    data: TrainingData,
    *,
    n_checkpoints: int,
    seed: int,
    n_threads: int,
    device: str,  # noqa: ARG001 -- CPU only
) -> Iterator[Checkpoint]:
    """Grow ``n_estimators`` trees; a step is a tree."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=1,
        max_depth=configuration["max_depth"],
        min_samples_leaf=configuration["min_samples_leaf"],
        max_features=configuration["max_features"],
        n_jobs=n_threads,
        random_state=seed,
        warm_start=True,
    )
    done = 0
    for n_trees in split_training(configuration["n_estimators"], n_checkpoints):
        if n_trees > done:
            model.set_params(n_estimators=n_trees)
            model.fit(data.rows, data.labels)
        done = n_trees
        yield Checkpoint(model, n_steps=n_trees)


def predict_proba(model: Any, rows: Rows) -> Rows:
    """See :class:`rightfit.families.family.Family`."""
    probabilities: Rows = model.predict_proba(rows).astype(np.float32, copy=False)
    return probabilities


def set_serving(model: Any, *, n_threads: int, device: str) -> None:  # noqa: ARG001
    """See :class:`rightfit.families.family.Family`."""
    model.set_params(n_jobs=n_threads, warm_start=False)


def save_weights(model: Any, path: Path) -> None:
    """See :class:`rightfit.families.family.Family`."""
    save_skops(model, path)


def load_weights(path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG001
    """See :class:`rightfit.families.family.Family`."""
    return load_skops(path, trusted=_TRUSTED, estimator="RandomForestClassifier")


def export_onnx(model: Any, schema: InputSchema) -> bytes:
    """See :class:`rightfit.families.family.Family`."""
    return export_sklearn_onnx(model, schema)


def _mean_depth(tree: Any) -> float:
    """Return the nodes that an average training row passes: the sum of their shares of rows."""
    weights = tree.weighted_n_node_samples
    return float(weights.sum() / weights[0])
