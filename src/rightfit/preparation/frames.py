"""Convert raw tables: whatever a catalog entry loads becomes one polars frame of plain dtypes.

pandas is not imported here and need not be installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from rightfit.errors import RightfitError
from rightfit.preparation.images import read_file, tabulate_files
from rightfit.preparation.table_schema import DATETIME
from rightfit.preparation.tables import Table, list_plain_casts, scan_table

_NO_NAME = re.compile(r"|\*|\^.*\$", re.DOTALL)


class RawTableError(RightfitError):
    """Raw tables that do not fit their description; commands show its message without traceback."""


def read_tables(tables: Mapping[str, str], loaded: Iterable[object]) -> dict[str, Table]:
    """Convert what the catalog loaded for a dataset's tables.

    Raises:
        RawTableError: If an entry loads no table, or a column of it cannot be converted or named.
    """
    read = {}
    for (name, entry), raw in zip(tables.items(), loaded, strict=True):
        try:
            read[name] = read_frame(raw, entry=entry)
        except RawTableError as err:
            raise RawTableError(
                f"{err} Correct its entry in conf/*/catalog*.yml, or datasets.<name>.tables."
            ) from err
    for name, table in read.items():
        if not table.columns:
            raise RawTableError(f"The table {tables[name]} has no columns.")
        if odd := [column for column in table.columns if _NO_NAME.fullmatch(column)]:
            raise RawTableError(
                f"The table {tables[name]} has columns without a name, or with one that stands for "
                f"several columns in polars: {odd}. Rename them."
            )
    return read


def read_frame(raw: object, *, entry: str) -> Table:
    """Convert one loaded table.

    Args:
        raw: A polars or pandas frame, a lazy polars frame, anything with an Arrow stream, or a dict
            of partitions of these or of functions that load them (``PartitionedDataset``). Where
            the partitions are files, as bytes or images of Pillow, each gives a row:
            :func:`rightfit.preparation.images.tabulate_files`.
        entry: Its name, for messages: that of a catalog entry, or what it holds.

    Returns:
        The table; a lazy frame that scans files stays on disk. Categories are texts, decimals are
        floats; pandas' NaN is null.

    Raises:
        RawTableError: If it is no table, or a column cannot be converted.
    """
    if isinstance(raw, Mapping) and raw:
        loaded = {name: part() if callable(part) else part for name, part in sorted(raw.items())}
        files = {name: read_file(part) for name, part in loaded.items()}
        known = {name: content for name, content in files.items() if content is not None}
        if len(known) == len(loaded):
            return tabulate_files(known)
        lazy = [part for part in loaded.values() if isinstance(part, pl.LazyFrame)]
        try:
            if len(lazy) == len(loaded):
                return scan_table(pl.concat(lazy, how="vertical_relaxed"))
            parts = [_read_part(part, f"{entry}/{name}") for name, part in loaded.items()]
            return pl.concat(parts, how="vertical_relaxed")
        except pl.exceptions.PolarsError as err:
            raise RawTableError(f"The partitions of {entry} do not fit together: {err}.") from err
    if isinstance(raw, pl.LazyFrame):
        return scan_table(raw)
    if isinstance(raw, pl.DataFrame):
        return _normalise(raw)
    if type(raw).__module__.split(".")[0] == "pandas" and hasattr(raw, "columns"):
        return _normalise(_read_pandas(raw, entry))
    if hasattr(raw, "__arrow_c_stream__"):
        frame: pl.DataFrame = pl.DataFrame(raw)
        return _normalise(frame)
    raise RawTableError(
        f"{entry} must be a table (polars, pandas, Arrow, or partitions of these), but is of type "
        f"{type(raw).__module__}.{type(raw).__qualname__}."
    )


def _read_pandas(frame: Any, entry: str) -> pl.DataFrame:
    columns, faults = [], []
    for position, name in enumerate(frame.columns):
        try:
            series: pl.Series = pl.from_pandas(frame.iloc[:, position])
            columns.append(series.alias(str(name)))
        except Exception as err:  # pyarrow and polars raise many kinds
            faults.append(f"{name!r} ({str(err).splitlines()[0]})")
    if faults:
        raise RawTableError(
            f"The pandas frame of {entry} has columns of mixed or unknown kind: "
            f"{', '.join(faults)}. Give each column one kind, for example with astype(str)."
        )
    return pl.DataFrame(columns)


def _normalise(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(list_plain_casts(frame.schema))


def _read_part(raw: object, entry: str) -> pl.DataFrame:
    part = read_frame(raw, entry=entry)
    return part.select(part.columns)


def cast_without_loss(column: pl.Series, dtype: str) -> pl.Series | None:
    """Return a column as the dtype described, ``None`` if any value would change.

    CSV files and databases know fewer dtypes than Parquet: a whole number read as Int64 or Float64
    fits Int16, an ISO time read as text fits Datetime. Float64 is rounded to Float32.

    >>> cast_without_loss(pl.Series([1.0, None]), "Int16").to_list()
    [1, None]
    >>> cast_without_loss(pl.Series([1.5]), "Int16") is None
    True
    """
    if str(column.dtype) == dtype:
        return column
    wanted, given = parse_dtype(dtype), column.dtype
    if given == pl.Null:
        return column.cast(wanted)
    if given == pl.String and wanted.is_temporal():
        return _if_complete(column, lambda: _parse_times(column, wanted))
    is_number = (given.is_numeric() or given == pl.Boolean) and (
        wanted.is_numeric() or wanted == pl.Boolean
    )
    is_time = given.is_temporal() and wanted.is_temporal() and _zone(given) == _zone(wanted)
    if not (is_number or is_time):
        return None
    cast = _if_complete(column, lambda: column.cast(wanted, strict=False))
    if cast is None or (given == pl.Float64 and wanted == pl.Float32):
        return cast
    is_same = (cast.cast(given, strict=False) == column).all()
    return cast if is_same else None


def parse_dtype(dtype: str) -> pl.DataType:
    """Return the polars dtype of its own spelling.

    Raises:
        ValueError: If polars has no such dtype.

    >>> parse_dtype("Datetime(time_unit='ms', time_zone='UTC')")
    Datetime(time_unit='ms', time_zone='UTC')
    """
    if found := DATETIME.fullmatch(dtype):
        return pl.Datetime(found["unit"], found["zone"])  # type: ignore[arg-type]
    known = getattr(pl, dtype, None)
    if not (isinstance(known, type) and issubclass(known, pl.DataType)):
        raise ValueError(f"polars has no dtype {dtype!r}")
    return known()


def _zone(dtype: pl.DataType) -> str | None:
    return getattr(dtype, "time_zone", None)


def _parse_times(column: pl.Series, wanted: pl.DataType) -> pl.Series:
    if isinstance(wanted, pl.Datetime):
        return column.str.to_datetime(
            time_unit=wanted.time_unit, time_zone=wanted.time_zone, strict=False
        )
    return column.str.to_date(strict=False)


def _if_complete(column: pl.Series, convert: Callable[[], pl.Series]) -> pl.Series | None:
    try:
        cast = convert()
    except pl.exceptions.PolarsError:
        return None
    return cast if cast.null_count() == column.null_count() else None
