"""Raw tables: what a catalog entry loads, its rows, and its columns as a description has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta

import polars as pl

from rightfit._core.frames import RawTableError, ScannedTable, Table, is_missing, read_frame
from rightfit.data.request_path.number_texts import parse_numbers
from rightfit_search.tables.description_parts import DATETIME

_NO_NAME = re.compile(r"|\*|\^.*\$", re.DOTALL)
_EMPTY_CELL = re.compile(
    r"|_duplicated_\d+|Unnamed: \d+"
)  # of a header, as polars and pandas name it


def count_distinct_rows(table: Table) -> int:
    """Count the rows that differ from one another in some column, by a hash of each row."""
    if isinstance(table, pl.DataFrame):
        return table.hash_rows().n_unique()
    return table.count_distinct_rows()


def read_tables(tables: Mapping[str, str], loaded: Iterable[object]) -> dict[str, Table]:
    """Convert what the catalog loaded for a dataset's tables.

    Raises:
        RawTableError: If an entry loads no table, or a column of it cannot be converted or named.
    """
    read = {}
    for (name, entry), raw in zip(tables.items(), loaded, strict=True):
        try:
            table = require_names(read_frame(raw, entry=entry), entry=entry)
        except RawTableError as err:
            raise RawTableError(
                f"{err} Correct its entry in conf/*/catalog*.yml, or datasets.<name>.tables."
            ) from err
        if not table.columns:
            raise RawTableError(f"The table {entry} has no columns.")
        read[name] = table
    return read


def require_names(table: Table, *, entry: str) -> Table:
    """Return a table to learn from, if each of its columns can be named.

    Raises:
        RawTableError: If a column has no name, or one that stands for several in polars; or if so
            many have none that the header must stand further below.
    """
    empty = [column for column in table.columns if _EMPTY_CELL.fullmatch(column)]
    if len(empty) > 1 and 2 * len(empty) >= len(table.columns):
        raise RawTableError(
            f"{entry} has names for {len(table.columns) - len(empty)} of its {len(table.columns)} "
            "columns: a title or merged cells seem to stand above the header. Delete them, or skip "
            "them (skip_rows in polars, skiprows in pandas)."
        )
    if unnamed := [column for column in table.columns if _NO_NAME.fullmatch(column)]:
        index = " (pandas writes its index so: to_csv(index=False))" if "" in unnamed else ""
        raise RawTableError(
            f"{entry} has columns without a name{index}, or with one that stands for several "
            f"columns in polars: {unnamed}. Rename them."
        )
    return table


def read_records(records: Sequence[object], *, entry: str) -> pl.DataFrame:
    """Convert rows, each a mapping from column names to values; NaN, pandas' NaT and NA are null.

    Args:
        records: The rows.
        entry: What they are, for messages.

    Raises:
        RawTableError: If they make no table.

    >>> read_records([{"kind": "a"}, {"kind": float("nan")}], entry="rows")["kind"].to_list()
    ['a', None]
    """
    rows = [
        {name: None if is_missing(value) else value for name, value in record.items()}
        if isinstance(record, Mapping)
        else record
        for record in records
    ]
    try:
        table = pl.DataFrame(rows, infer_schema_length=None)
        for name, dtype in table.schema.items():
            # polars takes them for numbers among numbers
            values = (row.get(name) for row in rows if isinstance(row, Mapping))
            times = (value for value in values if isinstance(value, date | time | timedelta))
            if dtype.is_numeric() and (first := next(times, None)) is not None:
                raise TypeError(f"{name!r} holds numbers, and {first!r}")
    # polars panics at decimals that are infinite, and numbers may be too large for it
    except (Exception, pl.exceptions.PanicException) as err:
        raise RawTableError(
            f"{entry} must be a table or a list of mappings from column names to values, each "
            f"column of one kind, but cannot be read: {str(err).splitlines()[0]:.200}."
        ) from err
    return table


def take_rows(table: Table, names: Sequence[str], rows: pl.Series) -> pl.DataFrame:
    """Return some rows of some columns; see :meth:`ScannedTable.take`."""
    if isinstance(table, ScannedTable):
        return table.take(names, rows)
    return table.select(names)[rows]


def cast_without_loss(
    column: pl.Series, dtype: str, decimal: str | None = None
) -> pl.Series | None:
    """Return a column as the dtype described, ``None`` if any value would change.

    CSV files and databases know fewer dtypes than Parquet: a whole number read as Int64 or Float64
    fits Int16, an ISO time read as text fits Datetime. Float64 is rounded to Float32. With a
    decimal mark numbers written as texts fit, too.

    >>> cast_without_loss(pl.Series([1.0, None]), "Int16").to_list()
    [1, None]
    >>> cast_without_loss(pl.Series([1.5]), "Int16") is None
    True
    """
    if column.dtype == pl.String and decimal is not None:
        if (numbers := parse_numbers(column, decimal)) is None:
            return None
        column = numbers
    if str(column.dtype) == dtype:
        return column
    target, source = parse_dtype(dtype), column.dtype
    if column.null_count() == column.len():  # no value, so its dtype says nothing
        return pl.Series(column.name, [], dtype=target).extend_constant(None, column.len())
    is_number = (source.is_numeric() or source == pl.Boolean) and (
        target.is_numeric() or target == pl.Boolean
    )
    zones = [getattr(kind, "time_zone", None) for kind in (source, target)]
    is_time = source.is_temporal() and target.is_temporal() and zones[0] == zones[1]
    try:
        if source == pl.String and isinstance(target, pl.Date | pl.Datetime):
            cast = column.str.strptime(target, strict=False)
        elif is_number or is_time:
            cast = column.cast(target, strict=False)
        else:
            return None
    except pl.exceptions.PolarsError:
        return None
    if cast.null_count() != column.null_count():
        return None
    if source == pl.String or (source == pl.Float64 and target == pl.Float32):
        return cast
    is_same = (cast.cast(source, strict=False) == column).all()
    return cast if is_same else None


def parse_dtype(dtype: str) -> pl.DataType:
    """Return the polars dtype that a description names.

    >>> parse_dtype("Datetime(time_unit='ms', time_zone='UTC')")
    Datetime(time_unit='ms', time_zone='UTC')
    """
    if match := DATETIME.fullmatch(dtype):
        return pl.Datetime(match["unit"], match["zone"])  # type: ignore[arg-type]
    plain: type[pl.DataType] = getattr(pl, dtype)
    return plain()
