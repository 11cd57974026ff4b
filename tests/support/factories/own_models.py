"""Fitted models of every kind, and the rows that they were fitted on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

N_ROWS = 200
_RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "age": _RNG.normal(size=N_ROWS),
        "city": _RNG.choice(["Bonn", "Paris", None], N_ROWS),
        "n_rooms": _RNG.integers(1, 6, N_ROWS),
    }
)
TARGETS = np.where(ROWS["age"] + 0.3 * _RNG.normal(size=N_ROWS) > 0, "yes", "no")
NUMBERS = ROWS[["age", "n_rooms"]]


def fit_pipeline(model: Any = None) -> Pipeline:
    """Fit the standard artefact: columns by name, then a model."""
    columns = ColumnTransformer(
        [
            ("city", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
            ("numbers", "passthrough", ["age", "n_rooms"]),
        ]
    )
    model = HistGradientBoostingClassifier(max_iter=5) if model is None else model
    return Pipeline([("columns", columns), ("model", model)]).fit(ROWS, TARGETS)


def fit_linear() -> Pipeline:
    """Fit a pipeline of the same columns with a cheap model."""
    return fit_pipeline(LogisticRegression())


def guess_by_age(rows: pd.DataFrame) -> Any:
    """Answer with class labels."""
    return np.where(rows["age"] > 0, "yes", "no")


def exit_process(rows: pd.DataFrame) -> Any:
    """End the process that asks for a batch."""
    if len(rows) > 16:
        raise SystemExit(3)
    return guess_by_age(rows)


def write_typed_onnx(path: Path) -> Path:
    """Write a graph of the raw columns, each with its own type, that answers as a pipeline."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    pipeline = fit_pipeline()
    types = [
        ("age", FloatTensorType([None, 1])),
        ("city", StringTensorType([None, 1])),
        ("n_rooms", Int64TensorType([None, 1])),
    ]
    with warnings.catch_warnings():  # the converter reads what numpy has deprecated
        warnings.simplefilter("ignore")
        exported = to_onnx(pipeline, initial_types=types, options={id(pipeline): {"zipmap": False}})
    path.write_bytes(exported.SerializeToString())
    return path
