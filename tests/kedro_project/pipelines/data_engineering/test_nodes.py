from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from rightfit.data.assembling import RowCounts
from rightfit.data.completion import complete_block
from rightfit.data.description import DatasetBlock, DatasetSpec
from rightfit.data.table_check import RawCheck
from rightfit.kedro_project.pipelines.data_engineering.nodes import encode_rows

pytestmark = pytest.mark.whole

ROWS = pl.DataFrame(
    {
        "v1": [1, 2, 3, 4, 5],
        "label": [0, 1, 0, 1, 0],
        "part": ["train"] * 3 + ["validation", "test"],
    }
)


@pytest.fixture
def spec() -> DatasetSpec:
    """A table of one number."""
    block = DatasetBlock.model_validate(
        {"tables": ["orders"], "target": {"column": "kind"}, "features": {"numeric": ["v1"]}}
    )
    table = pl.DataFrame({"v1": range(10), "kind": ["a", "b"] * 5})
    return complete_block(block, {"orders": table}, dataset_name="orders").spec


def encode(spec: DatasetSpec, rows: pl.DataFrame) -> tuple[Any, ...]:
    check = RawCheck(tables={}, inferred=(), remarks=())
    counts = RowCounts(read=5, dropped=(), kept=5, unmatched={})
    return encode_rows(spec, check, counts, rows, dataset_name="orders")


def test_encoder_ignores_validation_and_test_rows(spec: DatasetSpec) -> None:
    others = ROWS.with_columns(v1=pl.when(pl.col("part") != "train").then(1000).otherwise("v1"))

    assert encode(spec, others)[0] == encode(spec, ROWS)[0]


def test_encoder_follows_train_rows(spec: DatasetSpec) -> None:
    others = ROWS.with_columns(v1=pl.when(pl.col("part") == "train").then(1000).otherwise("v1"))

    assert encode(spec, others)[0] != encode(spec, ROWS)[0]


def test_parts_are_encoded_with_their_own_labels(spec: DatasetSpec) -> None:
    _, train, validation, test, _ = encode(spec, ROWS)

    assert train["label"].to_list() == [0, 1, 0]
    assert (validation["label"].to_list(), test["label"].to_list()) == ([1], [0])
    assert [round(x, 4) for x in train["v1"].to_list()] == [-1.2247, 0.0, 1.2247]
    assert train.schema == validation.schema == test.schema
