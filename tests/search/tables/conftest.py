"""A small dataset with every kind of feature, described and made by hand."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import polars as pl
import pytest

from rightfit_search.tables.description import DatasetBlock, DatasetSpec


def plain(names: list[str], dtype: str, **changes: Any) -> dict[str, Any]:
    """Describe columns that may hold anything but nulls."""
    group = {"names": names, "dtype": dtype, "allowed": "any"}
    return {**group, "max_null_share": 0.0, "max_outlier_share": 0.0, **changes}


TRIPS: dict[str, Any] = {
    "title": "Trips",
    "tables": ["trips", "places"],
    "schemas": {
        "trips": {
            "min_rows": 4,
            "columns": [
                plain(["day"], "Int16", allowed={"min": 1, "max": 31}),
                plain(["clock"], "Int16"),
                plain(["place"], "String", max_null_share=0.5),
                plain(["vehicle"], "String", max_null_share=0.5),
                plain(["load"], "Float64", max_null_share=0.5),
                plain(["delay"], "Int32", max_null_share=0.5),
                plain(["arrived"], "Int16"),
                plain(["split"], "String", allowed={"values": ["train", "test"]}),
            ],
        },
        "places": {
            "min_rows": 1,
            "columns": [plain(["place"], "String"), plain(["height"], "Float32")],
        },
    },
    "joins": [{"table": "places", "keys": ["place"], "columns": ["height"], "prefix": "place_"}],
    "derived": [{"op": "clock_minutes", "name": "minute", "column": "clock"}],
    "target": {"column": "delay", "at_least": 30, "classes": ["in_time", "late"]},
    "not_features": ["arrived"],
    "features": {
        "numeric": ["minute", "load", "place_height"],
        "indicate_missing": ["load"],
        "categorical": ["vehicle"],
        "min_category_share": 0.0,
        "image": None,
    },
    "split": {"column": "split", "train": "train", "test": "test"},
    "validation": {"method": "by_time", "share": 0.25, "time_columns": ["day", "clock"]},
    "max_train_rows": None,
    "max_test_rows": None,
    "seed": 7,
    "quality": {"name": "roc_auc", "worst": 0.5, "best": 1.0},
    "licence": "CC0 1.0",
    "source": "made by hand",
    "notes": ["tiny"],
}


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Copy ``base`` with values replaced at dotted paths; numbers are positions in lists."""
    copy = deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        target: Any = copy
        for key in parents:
            target = target[int(key) if isinstance(target, list) else key]
        target[int(last) if isinstance(target, list) else last] = value
    return copy


@pytest.fixture
def describe() -> Callable[..., DatasetSpec]:
    """Validate the description of the trips, with changes at dotted paths."""

    def validate(**changes: Any) -> DatasetSpec:
        paths = {path.replace("__", "."): value for path, value in changes.items()}
        block = DatasetBlock.model_validate(changed(TRIPS, paths))
        return block.expand({}).expand_features().make_spec("trips")

    return validate


@pytest.fixture
def tables() -> dict[str, pl.DataFrame]:
    """Nine trips (one without a delay) to three places (one unknown)."""
    trips = pl.DataFrame(
        {
            "day": [1, 1, 2, 2, 3, 3, 4, 5, 6],
            "clock": [600, 700, 600, 705, 600, 600, 600, 600, 600],
            "place": ["A", "B", "A", "C", "B", "A", None, "A", "B"],
            "vehicle": ["bus", "car", "bus", "bus", None, "car", "bus", "boat", "car"],
            "load": [1.0, None, 3.0, 5.0, 7.0, 9.0, None, 100.0, -100.0],
            "delay": [0, 45, 30, 29, None, 50, 10, 60, 0],
            "arrived": [600, 745, 630, 734, 600, 650, 610, 700, 600],
            "split": ["train"] * 7 + ["test"] * 2,
        },
        schema_overrides={
            "day": pl.Int16,
            "clock": pl.Int16,
            "delay": pl.Int32,
            "arrived": pl.Int16,
        },
    )
    places = pl.DataFrame(
        {"place": ["A", "B"], "height": [10.0, 20.0]}, schema_overrides={"height": pl.Float32}
    )
    return {"trips": trips, "places": places}
