"""Validate raw tables completely before anything is computed from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from rightfit._core.formatting import count
from rightfit._core.frames import RawTableError, Table
from rightfit.data.request_path.feeding import decode_image
from rightfit.models.quality.bounds import MAX_TARGET
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import (
    Bounds,
    ByteLength,
    ColumnGroup,
    ColumnSplit,
    Image,
    TableSchema,
    Values,
)
from rightfit_search.tables.images import require_pillow
from rightfit_search.tables.tables import cast_without_loss

N_EXAMPLES = 5  # offending values shown in a message


class ColumnReport(BaseModel):
    """Gaps and outliers of one raw column."""

    model_config = ConfigDict(frozen=True)

    null_share: float
    n_outliers: int


class TableReport(BaseModel):
    """Rows, gaps and outliers of one raw table."""

    model_config = ConfigDict(frozen=True)

    n_rows: int
    columns: dict[str, ColumnReport]


class RawCheck(BaseModel):
    """The result of checking a dataset's raw tables.

    ``inferred`` names the keys of the dataset's block that were inferred from the tables;
    ``remarks`` says what a person should know about that.
    """

    model_config = ConfigDict(frozen=True)

    tables: dict[str, TableReport]
    inferred: tuple[str, ...]
    remarks: tuple[str, ...]


def check_tables(
    spec: DatasetSpec,
    tables: Mapping[str, Table],
    *,
    dataset_name: str,
    inferred_file: Path | None = None,
) -> dict[str, TableReport]:
    """Compare raw tables with their schemas.

    Args:
        spec: The dataset's description.
        tables: Raw tables by name.
        dataset_name: The dataset's name, for messages.
        inferred_file: Where an earlier run kept what it inferred of the description; ``None``: it
            follows from these tables, or nothing was inferred.

    Returns:
        Per table its ``n_rows`` and per column the null share and the number of outliers.

    Raises:
        RawTableError: If any table does not fit; the message lists all faults of all tables.
    """
    messages = []
    join_keys = {join.table: join.keys for join in spec.joins}
    description = f"datasets.{dataset_name}"
    if inferred_file is not None:
        description += (
            "; an earlier run inferred from its tables what that leaves out, and removing "
            f"{inferred_file} infers it anew"
        )
    for name, entry in spec.tables.items():
        table = tables[name]
        faults = find_table_faults(table, spec.schemas[name], join_keys.get(name, ()))
        if name == spec.main_table:
            faults += _find_main_faults(spec, table)
        if spec.features.image is not None and spec.features.image.format == "file":
            faults += _find_image_faults(table, spec.features.image)
        if faults:
            lines = "\n".join(f"  - {fault}" for fault in faults)
            messages.append(
                f"The raw table {name} of the dataset {dataset_name} does not fit its schema:\n"
                f"{lines}\nMend the table (catalog entry {entry}; without one "
                f"data/01_raw/{entry}.parquet), or, if the data are right, {description}."
            )
    if messages:
        raise RawTableError("\n".join(messages))
    reports = {}
    for name in spec.tables:
        columns = {}
        for column, group in spec.schemas[name].by_column().items():
            values = _cast(tables[name][column], group)
            columns[column] = ColumnReport(
                null_share=round(values.null_count() / values.len(), 6),
                n_outliers=int(outlier_mask(values, group).sum()),
            )
        reports[name] = TableReport(n_rows=tables[name].height, columns=columns)
    return reports


def find_table_faults(table: Table, schema: TableSchema, join_keys: Sequence[str]) -> list[str]:
    """List everything in which a raw table departs from its schema.

    ``join_keys`` must identify a row, so that a join cannot multiply rows.

    Returns:
        One sentence per fault: what is wrong, what was allowed, what arrived.
    """
    faults = []
    if table.height < schema.min_rows:
        faults.append(
            f"allowed are at least {count(schema.min_rows, 'row')}, but got {table.height:,} "
            "(truncated?)"
        )
    columns, present = schema.by_column(), dict.fromkeys(table.columns)
    undescribed = [name for name in present if name not in columns]
    for name, group in columns.items():
        if name in present:
            faults += find_column_faults(table[name], group)
        else:
            hint = f"; not described are {undescribed} (renamed?)" if undescribed else ""
            faults.append(f"column {name!r} of dtype {group.dtype} is missing{hint}")
    if join_keys and all(key in present for key in join_keys):
        keys = table.select(join_keys)
        repeated = keys.filter(keys.is_duplicated())
        if not repeated.is_empty():
            faults.append(
                f"columns {list(join_keys)}: allowed is one row per key, "
                f"but {repeated.height} rows share a key, such as {repeated.row(0)}"
            )
    return faults


def find_column_faults(column: pl.Series, group: ColumnGroup) -> list[str]:
    """List everything in which one raw column departs from its description."""
    where = f"column {column.name!r}"
    cast = cast_without_loss(column, group.dtype, group.decimal)
    if cast is None:
        return [f"{where}: allowed is dtype {group.dtype}, but got {column.dtype}"]
    column, faults = cast, []
    n_rows = max(1, column.len())
    null_share = column.null_count() / n_rows
    if null_share > group.max_null_share:
        faults.append(
            f"{where}: allowed is a null share of at most {group.max_null_share:g}, "
            f"but got {null_share:.4g} ({column.null_count()} of {column.len()} rows)"
        )
    if column.dtype.is_float():
        n_not_finite = column.len() - column.null_count() - int(column.is_finite().sum())
        if n_not_finite:
            faults.append(
                f"{where}: allowed are finite numbers and null, "
                f"but got NaN or infinity in {count(n_not_finite, 'row')}"
            )
    outliers = column.filter(outlier_mask(column, group))
    if outliers.len() / n_rows > group.max_outlier_share:
        shown = outliers.bin.size() if isinstance(group.allowed, ByteLength) else outliers
        faults.append(
            f"{where}: allowed is {group.allowed} (outside: a share of at most "
            f"{group.max_outlier_share:g}), but {outliers.len()} of {column.len()} rows hold "
            f"others such as {shown.unique().sort().head(N_EXAMPLES).to_list()}"
        )
    return faults


def outlier_mask(column: pl.Series, group: ColumnGroup) -> pl.Series:
    """Return which values lie outside what is allowed; nulls and NaN have checks of their own."""
    allowed = group.allowed
    if isinstance(allowed, Bounds):
        inside = column.is_between(allowed.min, allowed.max)
        if column.dtype.is_float():
            inside = inside | ~column.is_finite()
    elif isinstance(allowed, Values):
        inside = column.is_in(pl.Series(allowed.values, dtype=column.dtype).implode())
    elif isinstance(allowed, ByteLength):
        inside = column.bin.size() == allowed.n_bytes
    else:
        return pl.Series(np.zeros(column.len(), dtype=np.bool_))
    return (~inside).fill_null(False)


def clean_table(
    table: Table, schema: TableSchema, names: Collection[str] | None = None
) -> pl.DataFrame:
    """Cast columns to their described dtypes and set tolerated outliers to null.

    Returns:
        The described columns, in the schema's order.
    """
    return pl.DataFrame(
        [
            blank_outliers(_cast(table[name], group), group)
            for name, group in schema.by_column().items()
            if names is None or name in names
        ]
    )


def blank_outliers(column: pl.Series, group: ColumnGroup) -> pl.Series:
    """Set a column's outliers to null if its description tolerates any."""
    if group.max_outlier_share == 0:
        return column
    mask = outlier_mask(column, group)
    return column.to_frame().select(pl.when(~mask).then(pl.col(column.name))).to_series()


def _cast(column: pl.Series, group: ColumnGroup) -> pl.Series:
    cast = cast_without_loss(column, group.dtype, group.decimal)
    if cast is None:
        raise RawTableError(f"column {column.name!r} does not fit dtype {group.dtype}")
    return cast


def _find_main_faults(spec: DatasetSpec, table: Table) -> list[str]:
    """List targets that are no class or too large to predict, and parts without rows."""
    faults, target, split = [], spec.target, spec.split
    if spec.task == "regression" and target.column in table.columns:
        numbers = table[target.column]
        if numbers.dtype.is_numeric():  # any other dtype is a fault already
            sizes = numbers.cast(pl.Float64).abs()
            if n_too_large := int((sizes.is_finite() & (sizes > MAX_TARGET)).sum()):
                faults.append(
                    f"column {target.column!r}: allowed are numbers up to {MAX_TARGET:g}, because "
                    f"models answer in float32, but got {n_too_large} larger ones"
                )
    if target.classes and target.at_least is None and target.column in table.columns:
        group = spec.schemas[spec.main_table].by_column()[target.column]
        column = cast_without_loss(table[target.column], group.dtype, group.decimal)
        if column is not None:
            labels = column.drop_nulls().cast(pl.String).unique().sort()
            strange = [value for value in labels.to_list() if value not in target.classes]
            if strange:
                faults.append(
                    f"column {target.column!r}: allowed are the classes {list(target.classes)}, "
                    f"but got also {strange[:N_EXAMPLES]}"
                )
    if isinstance(split, ColumnSplit) and split.column in table.columns:
        values = set(table[split.column].unique().to_list())
        absent = [value for value in (split.train, split.test) if value not in values]
        if absent:
            faults.append(
                f"column {split.column!r}: the split needs rows of "
                f"{[split.train, split.test]}, but got none of {absent}"
            )
    return faults


def _find_image_faults(table: Table, image: Image) -> list[str]:
    """Name the rows whose image cannot be decoded, by their path if the table has one."""
    column = image.column
    images = table[column] if column in table.columns else pl.Series()
    if images.dtype != pl.Binary:
        return []  # said already
    require_pillow()
    names = table["path"] if "path" in table.columns else pl.Series(range(table.height))
    wrong, reason = [], ""
    for name, content in zip(names, images, strict=True):
        try:
            decode_image(content or b"", image.shape)
        except ValueError as err:
            wrong.append(name)
            reason = reason or str(err)
    if not wrong:
        return []
    return [
        f"column {column!r}: allowed are PNG and JPEG files, but {len(wrong)} of {table.height} "
        f"rows hold something else, such as {wrong[:N_EXAMPLES]} ({reason})"
    ]
