"""Saving, loading and exporting scikit-learn models, without pickle."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.extras import require
from rightfit.models.onnx_graph import GraphBuilder, replace_output
from rightfit.models.predictions import softmax
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Rows
from rightfit.models.tree_export import add_trees_as_arrays

# Listing all of scikit-learn's estimators, as skops does, imports these, and with them Dask and
# torch (seconds and 240 MiB in each process).
_ARRAY_LIBRARIES = (
    "sklearn.externals.array_api_compat.torch",
    "sklearn.externals.array_api_compat.dask",
)

ESTIMATOR_TYPES = (
    "builtins.object",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Types of which estimators of scikit-learn consist, beside those that skops builds anyway."""


def list_steps(model: Any) -> list[Any]:
    """Return an estimator, or the pipeline's steps and the pipeline."""
    return [model, *(step for _, step in getattr(model, "steps", ()))]


def has_class_scores(model: Any) -> bool:
    """Tell whether a classifier's ``decision_function`` scores classes, not pairs of classes."""
    arguments = model.get_params().items() if hasattr(model, "get_params") else ()
    of_pairs = any(
        name.rpartition("__")[2] == "decision_function_shape" and value == "ovo"
        for name, value in arguments
    )
    return hasattr(model, "decision_function") and (len(model.classes_) == 2 or not of_pairs)


def softmax_scores(model: Any, rows: Any) -> Rows:
    """Return class probabilities: a classifier's scores put through a sigmoid or softmax."""
    scores = np.asarray(model.decision_function(rows), dtype=np.float64)
    if scores.ndim == 1:  # of the second of two classes
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    return softmax(scores).astype(np.float32, copy=False)


def set_joblib_threads(model: Any, n_threads: int) -> None:
    """Set the joblib threads of an estimator and its parts; those of OpenMP are the process'."""
    names = [name for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"]
    model.set_params(**dict.fromkeys(names, n_threads))


def import_skops() -> Any:
    """Import ``skops.io`` without importing torch or Dask, and return it."""
    skipped = [module for module in _ARRAY_LIBRARIES if module not in sys.modules]
    for module in skipped:
        sys.modules[module] = None  # type: ignore[assignment]  # an import of it fails
    try:
        return importlib.import_module("skops.io")
    finally:
        for module in skipped:
            del sys.modules[module]


def load_skops(
    path: Path, *, trusted: tuple[str, ...], estimator: str | tuple[str, ...] | None
) -> Any:
    """Read an estimator, building only scikit-learn's and the trusted types.

    Nothing checks what the file unpacks to, or where its trees point: open only trusted ones.

    Args:
        path: The file.
        trusted: Types allowed beside scikit-learn's own.
        estimator: Name of the class that the file must hold, or of several; ``None``: any.

    Raises:
        ValueError: If the file names any other type, is damaged, or holds another estimator.
    """
    try:
        with warnings.catch_warnings():
            # skops builds an estimator before it sets its state
            warnings.simplefilter("ignore", UserWarning)
            model = import_skops().load(path, trusted=list(trusted))
    except Exception as err:  # skops raises what a crafted file provokes
        raise ValueError(f"{path} can't be loaded: {type(err).__name__}: {err}") from err
    allowed = (estimator,) if isinstance(estimator, str) else estimator or ()
    if estimator is not None and type(model).__name__ not in allowed:
        raise ValueError(
            f"{path} must hold a {' or '.join(allowed)}, but holds a {type(model).__name__}."
        )
    return model


def export_estimator(model: Any, schema: InputSchema) -> bytes:
    """Convert a fitted classifier or regressor with skl2onnx."""
    options = {id(model): {"zipmap": False}} if schema.classes else None
    return bytes(_convert(model, schema, options).SerializeToString())


def export_scores(model: Any, schema: InputSchema) -> bytes:
    """Convert a classifier without ``predict_proba`` and put its scores through a softmax.

    Returns:
        An ONNX model: input ``rows`` (any, n_features), output ``probabilities``.
    """
    from onnx import compose

    last = id(model.steps[-1][1] if hasattr(model, "steps") else model)
    try:
        exported = _convert(model, schema, {last: {"raw_scores": True, "zipmap": False}})
    except NameError:  # what skl2onnx raises of an option that a converter lacks
        exported = _convert(model, schema, {last: {"raw_scores": True}})
    exported = compose.add_prefix(exported, "scores/", rename_inputs=False)
    added = GraphBuilder("probabilities/")
    scores = exported.graph.output[1].name
    if schema.n_classes == 2:  # the last column is the score of the second class
        score = added.add("Gather", scores, added.keep(np.array([1])), axis=1)
        no_score = added.add("Mul", score, added.keep(np.float32(0)))
        scores = added.add("Concat", no_score, score, axis=1)
    answers = added.add("Softmax", scores, axis=1)
    exported.graph.node.extend(added.nodes)
    exported.graph.initializer.extend(added.constants)
    replace_output(exported, answers, schema)
    return bytes(exported.SerializeToString())


def _convert(model: Any, schema: InputSchema, options: dict[int, dict[str, bool]] | None) -> Any:
    """Return what skl2onnx makes of a model that reads ``rows``; options by a step's ``id``."""
    require("skl2onnx", purpose="The ONNX export of a model of scikit-learn")
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    add_trees_as_arrays()
    is_regression = schema.task == "regression"
    return to_onnx(
        model,
        initial_types=[("rows", FloatTensorType([None, schema.n_features]))],
        options=options,
        final_types=[(schema.output_name, FloatTensorType([None, 1]))] if is_regression else None,
    )
