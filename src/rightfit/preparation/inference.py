"""Infer from a dataset's tables what its block leaves out: schemas, classes, split and quality.

Each rule is one function; the rules stand in ``docs/your_own.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from rightfit.families.quality import QualityName
from rightfit.preparation.frames import cast_without_loss
from rightfit.preparation.spec import (
    ColumnSplit,
    Quality,
    Split,
    StratifiedShare,
    Target,
)
from rightfit.preparation.table_schema import PLAIN_DTYPES, ByteLength, ColumnGroup, TableSchema

SPLIT_COLUMN = "split"
TRAIN, TEST = "train", "test"
TEST_SHARE = 0.2
MIN_ROWS_SHARE = 0.5  # a table with fewer rows than this share of today's is taken for truncated
NULL_FACTOR = 2  # the share of gaps allowed, against today's
MAX_CLASSES = 100
MANY_NUMBERS = 10  # more different numbers than digits are rarely meant as classes
MAX_IMBALANCE = 1.5  # largest class against an even share; beyond it accuracy says little


def infer_schema(table: pl.DataFrame, columns: Sequence[str], target: str | None) -> TableSchema:
    """Describe columns as they are today, with room for more gaps and fewer rows.

    Args:
        table: The raw table.
        columns: Columns to describe; those of a dtype that no description has are left out.
        target: Name of the target's column, whose whole numbers are read as integers.
    """
    groups: dict[tuple[str, float, int | None], list[str]] = {}
    for column in table.select(columns):
        dtype = _name_dtype(column, is_target=column.name == target)
        if dtype is not None:
            share = column.null_count() / max(1, column.len())
            allowed = math.ceil(100 * min(1.0, NULL_FACTOR * share)) / 100
            groups.setdefault((dtype, allowed, find_length(column)), []).append(column.name)
    return TableSchema(
        min_rows=max(1, int(MIN_ROWS_SHARE * table.height)),
        columns=tuple(
            ColumnGroup(
                names=tuple(names),
                dtype=dtype,
                allowed=ByteLength(n_bytes=n_bytes) if n_bytes else "any",
                max_null_share=share,
            )
            for (dtype, share, n_bytes), names in groups.items()
        ),
    )


def infer_classes(target: Target, column: pl.Series) -> tuple[str, ...]:
    """Return the names of the classes: the column's values in order.

    Raises:
        ValueError: If the values are no classes.
    """
    if target.at_least is not None:
        return (f"below {target.at_least:g}", f"{target.at_least:g} or more")
    values = column.drop_nulls().unique().sort()
    where = f"target.column {column.name!r} has {values.len()} different values"
    if column.dtype.is_float() or (column.dtype.is_numeric() and values.len() > MAX_CLASSES):
        raise ValueError(
            f"{where} of dtype {column.dtype}: a target of regression, which is not supported yet. "
            "Make two classes of it with target.at_least, as in at_least: 30"
        )
    if values.len() > MAX_CLASSES:
        raise ValueError(f"{where}, allowed are at most {MAX_CLASSES} classes")
    if values.len() < 2:
        raise ValueError(f"{where} ({values.to_list()}); classification needs at least two")
    return tuple(values.cast(pl.String).to_list())


def remark_classes(target: Target, column: pl.Series) -> tuple[str, ...]:
    """Say so if many numbers were taken as classes."""
    n_values = column.drop_nulls().n_unique()
    if target.classes or not column.dtype.is_numeric() or n_values <= MANY_NUMBERS:
        return ()
    return (
        f"target.column {column.name!r} has {n_values} different numbers, each taken as a class; "
        "target.at_least makes two classes of them",
    )


def infer_split(main: pl.DataFrame) -> Split:
    """Take the documented split from a column ``split``; else draw a stratified share."""
    if SPLIT_COLUMN in main.columns and main[SPLIT_COLUMN].dtype == pl.String:
        found = set(main[SPLIT_COLUMN].unique().to_list())
        if {TRAIN, TEST} <= found:
            return ColumnSplit(column=SPLIT_COLUMN, train=TRAIN, test=TEST)
    return StratifiedShare(method="stratified", share=TEST_SHARE)


def infer_quality(outcome: pl.Series, name: QualityName | None = None) -> Quality:
    """Choose the metric that the classes' balance asks for, with guessing as its worst value.

    Args:
        outcome: Class of each row, without nulls.
        name: The metric, if it is chosen already.

    >>> infer_quality(pl.Series(["a", "b", "c"])).name
    'accuracy'
    """
    counts = outcome.value_counts(name="n_rows")["n_rows"].to_list()
    largest, even = max(counts) / outcome.len(), 1 / len(counts)
    if name is None:
        is_even = largest <= MAX_IMBALANCE * even
        name = "roc_auc" if len(counts) == 2 else "accuracy" if is_even else "balanced_accuracy"
    guessed = {"roc_auc": 0.5, "accuracy": largest, "balanced_accuracy": even}
    return Quality(name=name, worst=round(guessed[name], 2), best=1.0)


def _name_dtype(column: pl.Series, *, is_target: bool) -> str | None:
    if is_target and column.dtype.is_float() and cast_without_loss(column, "Int64") is not None:
        return "Int64"
    dtype = str(column.dtype)
    return dtype if dtype in PLAIN_DTYPES or isinstance(column.dtype, pl.Datetime) else None


def find_length(column: pl.Series) -> int | None:
    """Return the length in bytes that all values share; ``None`` if there is none."""
    if column.dtype != pl.Binary:
        return None
    lengths = column.drop_nulls().bin.size().unique()
    return int(lengths[0]) if lengths.len() == 1 else None
