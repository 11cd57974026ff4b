from __future__ import annotations

from typing import Any

import polars as pl

from rightfit.pipelines.data_engineering.nodes import encode_parts, fit_encoder
from rightfit.pipelines.data_engineering.params import DatasetSpec

ROWS = pl.DataFrame(
    {
        "v1": [1, 2, 3, 4, 5],
        "label": [0, 1, 0, 1, 0],
        "part": ["train"] * 3 + ["validation", "test"],
    }
)


def spec_of(described: dict[str, Any]) -> DatasetSpec:
    landsat = described["landsat"]
    return DatasetSpec.model_validate(landsat | {"features": landsat["features"]}).model_copy(
        update={
            "features": DatasetSpec.model_validate(landsat).features.model_copy(
                update={"numeric": ("v1",)}
            )
        }
    )


def test_encoder_ignores_validation_and_test_rows(described: dict[str, Any]) -> None:
    spec = spec_of(described)
    others = ROWS.with_columns(v1=pl.when(pl.col("part") != "train").then(1000).otherwise("v1"))

    assert fit_encoder(spec, others) == fit_encoder(spec, ROWS)


def test_encoder_follows_train_rows(described: dict[str, Any]) -> None:
    spec = spec_of(described)
    others = ROWS.with_columns(v1=pl.when(pl.col("part") == "train").then(1000).otherwise("v1"))

    assert fit_encoder(spec, others) != fit_encoder(spec, ROWS)


def test_parts_are_encoded_with_their_own_labels(described: dict[str, Any]) -> None:
    train, validation, test = encode_parts(fit_encoder(spec_of(described), ROWS), ROWS)

    assert train["label"].to_list() == [0, 1, 0]
    assert (validation["label"].to_list(), test["label"].to_list()) == ([1], [0])
    assert [round(x, 4) for x in train["v1"].to_list()] == [-1.2247, 0.0, 1.2247]
    assert train.schema == validation.schema == test.schema
