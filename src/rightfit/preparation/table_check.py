"""Validate raw tables completely before anything is computed from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict

from rightfit.preparation.description import DatasetSpec
from rightfit.preparation.spec import ColumnSplit, Image, Target
from rightfit.preparation.table_schema import Bounds, ByteLength, ColumnGroup, TableSchema, Values
from rightfit.preparation.tables import RawTableError, Table, cast_without_loss
from rightfit.request_path.usage import decode_image

N_EXAMPLES = 5  # offending values shown in a message


class ColumnReport(BaseModel):
    """What the check found in one raw column."""

    model_config = ConfigDict(frozen=True)

    null_share: float
    n_outliers: int


class TableReport(BaseModel):
    """What the check found in one raw table."""

    model_config = ConfigDict(frozen=True)

    n_rows: int
    columns: dict[str, ColumnReport]


class RawCheck(BaseModel):
    """What the check of a dataset's raw tables found.

    ``inferred`` names the keys of the dataset's block that were inferred from the tables;
    ``remarks`` says what a person should know about that.
    """

    model_config = ConfigDict(frozen=True)

    tables: dict[str, TableReport]
    inferred: tuple[str, ...]
    remarks: tuple[str, ...]


def check_tables(
    spec: DatasetSpec, tables: Mapping[str, Table], *, dataset_name: str
) -> dict[str, TableReport]:
    """Compare raw tables with their schemas.

    Returns:
        Per table its ``n_rows`` and per column the null share and the number of outliers.

    Raises:
        RawTableError: If any table does not fit; the message lists all faults of all tables.
    """
    messages = []
    for name in spec.tables:
        faults = find_table_faults(tables[name], spec.schemas[name], spec.join_keys(name))
        if name == spec.main_table:
            described = spec.schemas[name].by_column()[spec.target.column]
            faults += find_target_faults(tables[name], spec.target, described.dtype)
            faults += _find_split_faults(spec, tables[name])
        if spec.features.image is not None and spec.features.image.format == "file":
            faults += _find_image_faults(tables[name], spec.features.image)
        if faults:
            messages.append(_describe_faults(dataset_name, name, spec.tables[name], faults))
    if messages:
        raise RawTableError("\n".join(messages))
    return {name: _describe_table(tables[name], spec.schemas[name]) for name in spec.tables}


def find_table_faults(table: Table, schema: TableSchema, join_keys: Sequence[str]) -> list[str]:
    """List everything in which a raw table departs from its schema.

    ``join_keys`` must identify a row, so that a join cannot multiply rows.

    Returns:
        One sentence per fault: what is wrong, what was allowed, what arrived.
    """
    faults = []
    if table.height < schema.min_rows:
        faults.append(
            f"allowed are at least {schema.min_rows} rows, but got {table.height} (truncated?)"
        )
    columns = schema.by_column()
    undescribed = [name for name in table.columns if name not in columns]
    for name, group in columns.items():
        if name in table.columns:
            faults += find_column_faults(table[name], group)
        else:
            hint = f"; not described are {undescribed} (renamed?)" if undescribed else ""
            faults.append(f"column {name!r} of dtype {group.dtype} is missing{hint}")
    if join_keys and all(key in table.columns for key in join_keys):
        faults += _find_duplicates(table, join_keys)
    return faults


def find_column_faults(column: pl.Series, group: ColumnGroup) -> list[str]:
    """List everything in which one raw column departs from its description."""
    where = f"column {column.name!r}"
    cast = cast_without_loss(column, group.dtype)
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
                f"but got NaN or infinity in {n_not_finite} rows"
            )
    outliers = column.filter(outlier_mask(column, group))
    if outliers.len() / n_rows > group.max_outlier_share:
        shown = outliers.bin.size() if isinstance(group.allowed, ByteLength) else outliers
        faults.append(
            f"{where}: allowed is {_allowed_words(group)} (outside: a share of at most "
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
        return pl.repeat(False, column.len(), dtype=pl.Boolean, eager=True)
    return (~inside).fill_null(False)


def clean_table(
    table: Table, schema: TableSchema, names: Collection[str] | None = None
) -> pl.DataFrame:
    """Cast columns to their described dtypes and set tolerated outliers to null.

    Returns:
        The described columns, in the schema's order.
    """
    columns = []
    groups = schema.by_column()
    for name in groups if names is None else [name for name in groups if name in names]:
        group = groups[name]
        column = _cast(table[name], group)
        if group.max_outlier_share > 0:
            mask = outlier_mask(column, group)
            column = column.to_frame().select(pl.when(~mask).then(pl.col(name)))[name]
        columns.append(column)
    return pl.DataFrame(columns)


def _cast(column: pl.Series, group: ColumnGroup) -> pl.Series:
    cast = cast_without_loss(column, group.dtype)
    if cast is None:
        raise RawTableError(f"column {column.name!r} does not fit dtype {group.dtype}")
    return cast


def find_target_faults(table: Table, target: Target, dtype: str) -> list[str]:
    """List the values of the target's column that no class is named after."""
    if not target.classes or target.at_least is not None or target.column not in table.columns:
        return []
    column = cast_without_loss(table[target.column], dtype)
    if column is None:
        return []
    found = column.drop_nulls().cast(pl.String).unique().sort()
    strange = [value for value in found.to_list() if value not in target.classes]
    if not strange:
        return []
    return [
        f"column {target.column!r}: allowed are the classes {list(target.classes)}, "
        f"but got also {strange[:N_EXAMPLES]}"
    ]


def _find_split_faults(spec: DatasetSpec, table: Table) -> list[str]:
    split = spec.split
    if not isinstance(split, ColumnSplit) or split.column not in table.columns:
        return []
    found = set(table[split.column].unique().to_list())
    absent = [value for value in (split.train, split.test) if value not in found]
    if not absent:
        return []
    return [
        f"column {split.column!r}: the split needs rows of "
        f"{[split.train, split.test]}, but got none of {absent}"
    ]


def _find_image_faults(table: Table, image: Image) -> list[str]:
    """Name the rows whose image cannot be decoded, by their path if the table has one."""
    column = image.column
    images = table[column] if column in table.columns else pl.Series()
    if images.dtype != pl.Binary:
        return []  # said already
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


def _find_duplicates(table: Table, join_keys: Sequence[str]) -> list[str]:
    keys = table.select(join_keys)
    n_duplicates = int(keys.is_duplicated().sum())
    if not n_duplicates:
        return []
    example = keys.filter(keys.is_duplicated()).row(0)
    return [
        f"columns {list(join_keys)}: allowed is one row per key, "
        f"but {n_duplicates} rows share a key, such as {example}"
    ]


def _allowed_words(group: ColumnGroup) -> str:
    allowed = group.allowed
    if isinstance(allowed, Bounds):
        return f"{allowed.min:g} to {allowed.max:g}"
    if isinstance(allowed, Values):
        return f"one of {list(allowed.values)}"
    return f"{allowed.n_bytes} bytes" if isinstance(allowed, ByteLength) else "anything"


def _describe_faults(dataset_name: str, table: str, entry: str, faults: list[str]) -> str:
    lines = "\n".join(f"  - {fault}" for fault in faults)
    return (
        f"The raw table {table} of the dataset {dataset_name} does not fit its schema:\n{lines}\n"
        f"Mend the table (catalog entry {entry}; by default data/01_raw/{entry}.parquet), or, if "
        f"the data are right, datasets.{dataset_name} in parameters_datasets.yml."
    )


def _describe_table(table: Table, schema: TableSchema) -> TableReport:
    columns = {
        name: _describe_column(table[name], group) for name, group in schema.by_column().items()
    }
    return TableReport(n_rows=table.height, columns=columns)


def _describe_column(column: pl.Series, group: ColumnGroup) -> ColumnReport:
    return ColumnReport(
        null_share=round(column.null_count() / column.len(), 6),
        n_outliers=int(outlier_mask(_cast(column, group), group).sum()),
    )
