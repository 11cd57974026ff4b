from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from rightfit._core.errors import RightfitError
from rightfit_kedro.grid import Grid
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_kedro.pipelines.data_engineering import create_pipeline
from rightfit_kedro.pipelines.data_engineering.nodes import (
    assemble_taught_rows,
    encode_rows,
)
from rightfit_search.tables.assembling import RowCounts
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.description import DatasetBlock, DatasetSpec
from rightfit_search.tables.table_check import RawCheck

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


def teach(
    spec: DatasetSpec,
    folder: Path,
    first: str = "a",
    *,
    n_columns: int = 1,
    damage: Callable[[Path], object] = Path.exists,
    suffix: str = ".joblib",
) -> tuple[pl.DataFrame, RowCounts]:
    """Assemble 120 rows, half of them labelled by a stored model, which answers b above 50."""
    numbers, file = np.arange(120), folder / f"slow{suffix}"
    columns = np.stack([numbers] * n_columns, axis=1).astype(np.float32)
    model = LogisticRegression(C=1e3).fit(columns, np.where(numbers < 50, first, "b"))
    if suffix == ".onnx":
        options = {id(model): {"zipmap": False}}
        file.write_bytes(to_onnx(model, columns[:1], options=options).SerializeToString())
    else:
        joblib.dump(model, file)
    damage(file)
    kinds = [("a", "b")[i % 2] if i < 60 else None for i in range(120)]
    return assemble_taught_rows(
        spec,
        RawCheck(tables={}, inferred=(), remarks=()),
        ImportedBlock(family="imported", file=str(file), trust=True),
        3_000.0,
        pl.DataFrame({"v1": numbers, "kind": kinds}),
        teacher_name="slow",
        n_searches=2,
    )


def test_rows_without_a_target_are_labelled_by_the_teacher(
    spec: DatasetSpec, tmp_path: Path
) -> None:
    rows, counts = teach(spec, tmp_path)

    taught = rows.tail(60)
    assert (counts.kept, counts.taught, counts.dropped) == (120, 60, ())
    assert counts.labelling_s > 0
    assert rows["v1"].to_list() == list(range(120))
    assert taught["part"].unique().to_list() == ["train"]
    assert taught["label"].unique().to_list() == [1]
    assert rows.head(60)["label"].to_list() == [0, 1] * 30


def test_a_teacher_that_knows_other_classes_is_refused(spec: DatasetSpec, tmp_path: Path) -> None:
    with pytest.raises(RightfitError, match=r"models\.slow: its classes are b, z"):
        teach(spec, tmp_path, "z")


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("suffix", [".joblib", ".onnx"])
@pytest.mark.parametrize(
    "settings",
    [
        {"damage": Path.unlink},
        {"damage": lambda file: file.write_bytes(b"")},
        {"damage": lambda file: file.write_text("no model at all")},
        {"damage": truncate},
        {"n_columns": 2},
    ],
    ids=["missing", "empty", "text", "truncated", "columns"],
)
def test_a_damaged_teacher_is_named_in_one_line(
    settings: dict[str, Any], suffix: str, spec: DatasetSpec, tmp_path: Path
) -> None:
    with pytest.raises(RightfitError, match=r"^models\.slow: ") as raised:
        teach(spec, tmp_path, suffix=suffix, **settings)

    assert raised.value.key == "models"
    assert "\n" not in str(raised.value)


def test_encoder_follows_train_rows(spec: DatasetSpec) -> None:
    others = ROWS.with_columns(v1=pl.when(pl.col("part") == "train").then(1000).otherwise("v1"))

    assert encode(spec, others)[0] != encode(spec, ROWS)[0]


def test_parts_are_encoded_with_their_own_labels(spec: DatasetSpec) -> None:
    _, train, validation, test, _ = encode(spec, ROWS)

    assert train["label"].to_list() == [0, 1, 0]
    assert (validation["label"].to_list(), test["label"].to_list()) == ([1], [0])
    assert [round(x, 4) for x in train["v1"].to_list()] == [-1.2247, 0.0, 1.2247]
    assert train.schema == validation.schema == test.schema


def test_rows_of_a_dataset_with_a_teacher_wait_for_its_block() -> None:
    grid = Grid({"orders": ("orders",), "other": ("other",)}, {}, teachers={"orders": "slow"})

    inputs = {
        node.namespace: node.inputs
        for node in create_pipeline(grid).nodes
        if node.name.endswith("assemble_rows")
    }
    taught, plain = (inputs[f"data_engineering.{name}"] for name in ("orders", "other"))
    assert taught[2:4] == ["params:models.slow", "params:training.budget_cpu_s"]
    assert plain == ["other.spec", "other.raw_check", "other"]
