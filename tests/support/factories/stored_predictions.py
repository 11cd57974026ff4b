"""Profiles whose qualities are those of stored predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

import rightfit as rf
from factories.rankings import make_profile, make_profiles
from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.profile import PREDICTIONS, complete_columns
from rightfit.measuring.profiles.prediction_quality import judge_again
from rightfit.measuring.profiles.stored_predictions import JudgedRows, load_predictions
from rightfit.models.quality.metric import QualityMetric

ACCURACY = QualityMetric(name="accuracy", worst=0.5, best=1.0)
N = 400  # rows of each of the two big stores
STORES = np.repeat(["big", "other", "tiny"], [N, N, 3])


def predict(right_in: Mapping[str, float], *, seed: int) -> np.ndarray:
    """Probabilities of two classes, right in a share of each store's rows; all rows are of 1."""
    shares = np.array([right_in.get(store, 1.0) for store in STORES])
    second = np.where(np.random.default_rng(seed).random(len(STORES)) < shares, 0.7, 0.3)
    return np.column_stack([1 - second, second]).astype(np.float32)


def make_rows(columns: pl.DataFrame | None = None) -> JudgedRows:
    labels = np.ones(len(STORES), dtype=np.int64)
    final = np.zeros(len(STORES), dtype=np.bool_)
    if columns is None:
        columns = pl.DataFrame({"store": STORES, "photo": [b"..."] * len(STORES)})
    return JudgedRows(ACCURACY, "classification", labels, final, 0, columns)


def store_profiles(
    folder: Path,
    predictions: Mapping[str, np.ndarray],
    columns: pl.DataFrame | None = None,
    **figures: float,
) -> rf.Profiles:
    """Profiles whose qualities are those of predictions, stored in a folder."""
    store, rows = JsonStore(folder), make_rows(columns)
    table = complete_columns(
        make_profiles(*(make_profile(name, dataset="data", **figures) for name in predictions))
    )
    table = table.with_columns(request_path=pl.lit("model"))
    names = {name: rows.store(store, values) for name, values in predictions.items()}
    table = table.with_columns(pl.col("candidate").replace_strict(names).alias(PREDICTIONS))
    loaded = load_predictions(store, table)
    judged = judge_again(loaded["data"], table, ACCURACY)
    table = table.drop(set(judged.columns) - {PREDICTIONS}).join(judged, on=PREDICTIONS)
    return rf.Profiles(table, qualities={"data": ACCURACY}, predictions=loaded)
