"""Infer from a dataset's tables what its block leaves out: schemas, classes, features, quality.

Each rule is one function; the rules stand in ``docs/your_own.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rightfit.families.quality import QualityName
from rightfit.preparation.coherence import RESERVED_COLUMNS
from rightfit.preparation.column_kinds import Kind, find_kind
from rightfit.preparation.frames import cast_without_loss
from rightfit.preparation.patterns import ALL_OTHERS, expand_names
from rightfit.preparation.spec import (
    PLAIN_DTYPES,
    ByteLength,
    ClockMinutes,
    ColumnGroup,
    ColumnSplit,
    DatasetFields,
    Derived,
    Features,
    Image,
    Quality,
    Split,
    StratifiedShare,
    TableSchema,
    Target,
    Weekday,
)

SPLIT_COLUMN = "split"
TRAIN, TEST = "train", "test"
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
MIN_ROWS_SHARE = 0.5  # a table with fewer rows than this share of today's is taken for truncated
NULL_FACTOR = 2  # the share of gaps allowed, against today's
MANY_GAPS = 0.05  # share from which a gap is a feature of its own
MAX_CLASSES = 100
MAX_IMBALANCE = 1.5  # largest class against an even share; beyond it accuracy says little
N_CHANNELS = (1, 3)


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
            groups.setdefault((dtype, allowed, _find_length(column)), []).append(column.name)
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
    if column.dtype.is_float() or values.len() > MAX_CLASSES:
        raise ValueError(
            f"{where} of dtype {column.dtype}: a regression target. Only classification is "
            f"supported (at most {MAX_CLASSES} classes, texts or whole numbers); make classes of "
            "it with target.at_least, as in at_least: 30"
        )
    if values.len() < 2:
        raise ValueError(f"{where} ({values.to_list()}); classification needs at least two")
    return tuple(values.cast(pl.String).to_list())


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


@dataclass(frozen=True)
class InferredFeatures:
    """Features with what was derived for them, and why columns are left out."""

    features: Features
    derived: tuple[Derived, ...]
    remarks: tuple[str, ...]


def infer_features(
    fields: DatasetFields,
    features: Features | None,
    *,
    columns: Mapping[str, pl.Series],
    outcome: pl.Series,
    hidden: set[str],
) -> InferredFeatures:
    """Fill the patterns of ``features``; without it, use every column that a model can use.

    Args:
        fields: The dataset's block.
        features: What the block says; ``None`` for all columns.
        columns: Known columns: the main table's, then the joined ones under their new names.
        outcome: Class of each row of the main table.
        hidden: Columns that reveal the outcome or the split.

    Raises:
        ValueError: If no column can be used.
    """
    asked = features or Features(
        numeric=(ALL_OTHERS,), categorical=(ALL_OTHERS,), indicate_missing=(ALL_OTHERS,)
    )
    named = {name for name in (*asked.numeric, *asked.categorical) if name in columns} | hidden
    kinds = {
        name: find_kind(column.alias(name), outcome if column.len() == outcome.len() else None)
        for name, column in columns.items()
        if name not in named
    }
    kinds |= {
        name: Kind("unused", "the name is reserved") for name in RESERVED_COLUMNS if name in kinds
    }
    derived = _derive_weekdays(fields, kinds) if ALL_OTHERS in asked.categorical else ()
    for step in (*fields.derived, *derived):
        if step.name not in named:
            kinds[step.name] = Kind("numeric" if isinstance(step, ClockMinutes) else "categorical")
    of_kind = {
        wanted: [name for name, kind in kinds.items() if kind.name == wanted]
        for wanted in ("numeric", "categorical", "bytes")
    }
    numeric = _fill(asked.numeric, of_kind["numeric"], columns, hidden)
    filled = asked.model_copy(
        update={
            "numeric": numeric,
            "categorical": _fill(asked.categorical, of_kind["categorical"], columns, hidden),
            "indicate_missing": _fill(
                asked.indicate_missing,
                [name for name in numeric if _null_share(columns.get(name)) > MANY_GAPS],
                columns,
                hidden,
            ),
        }
    )
    if features is None and not filled.columns:
        filled = _use_image(filled, columns, of_kind["bytes"])
    remarks = tuple(
        f"{name!r} is no feature: {kind.reason}"
        for name, kind in kinds.items()
        if kind.reason and name in columns and name not in filled.columns
    )
    return InferredFeatures(filled, derived, remarks)


def _fill(
    names: Sequence[str], others: Sequence[str], columns: Mapping[str, pl.Series], hidden: set[str]
) -> tuple[str, ...]:
    filled: list[str] = []
    for name in names:
        filled += others if name == ALL_OTHERS else ()
        filled += () if name == ALL_OTHERS else expand_names([name], list(columns), excluded=hidden)
    return tuple(filled)


def _derive_weekdays(fields: DatasetFields, kinds: Mapping[str, Kind]) -> tuple[Derived, ...]:
    known = {step.column for step in fields.derived}
    return tuple(
        Weekday(op="weekday", name=f"{name}_weekday", column=name)
        for name, kind in kinds.items()
        if kind.name == "time" and name not in known
    )


def _use_image(
    features: Features, columns: Mapping[str, pl.Series], of_bytes: list[str]
) -> Features:
    if len(of_bytes) == 1:
        n_bytes = _find_length(columns[of_bytes[0]]) or 0
        for n_channels in N_CHANNELS:
            side = math.isqrt(n_bytes // n_channels)
            if n_bytes and side * side * n_channels == n_bytes:
                image = Image(column=of_bytes[0], shape=(side, side, n_channels))
                return features.model_copy(update={"image": image})
    raise ValueError(
        f"features: no column can be used as it is; columns of bytes are {of_bytes}. "
        "Say what they are, as in features: {image: {column: image, shape: [28, 28, 1]}}"
    )


def _name_dtype(column: pl.Series, *, is_target: bool) -> str | None:
    if is_target and column.dtype.is_float() and cast_without_loss(column, "Int64") is not None:
        return "Int64"
    dtype = str(column.dtype)
    return dtype if dtype in PLAIN_DTYPES or isinstance(column.dtype, pl.Datetime) else None


def _find_length(column: pl.Series) -> int | None:
    if column.dtype != pl.Binary:
        return None
    lengths = column.drop_nulls().bin.size().unique()
    return int(lengths[0]) if lengths.len() == 1 else None


def _null_share(column: pl.Series | None) -> float:
    return 0.0 if column is None else column.null_count() / max(1, column.len())
