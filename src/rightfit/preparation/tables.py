"""Tables that need not fit into memory: read a column at a time, and of that only chosen rows.

What a whole column decides (its dtype, its gaps, who is in which part) is decided exactly as for a
table in memory; the rows themselves are read once it is known which of them are kept.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Final

import polars as pl

from rightfit.processes.leftovers import temporary_folder

ROW = ""  # position of a row in its table; no column of a raw table is called so
_STREAMED: Final = "streaming"  # polars' engine that works on parts of a table
_ON_DISK, _IN_MEMORY = "Parquet SCAN", "DF ["  # how the plan of a bare scan begins


class ScannedTable:
    """A table on disk. What is asked of it is read then, so ask for few columns at once.

    Args:
        scan: Scan of Parquet files, which gives the rows in one order every time.
    """

    def __init__(self, scan: pl.LazyFrame) -> None:
        self._scan = scan

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._scan.collect_schema().names()

    @cached_property
    def height(self) -> int:
        """Number of rows."""
        return int(self._scan.select(pl.len()).collect(engine=_STREAMED).item())

    def __getitem__(self, name: str) -> pl.Series:
        """Return a column."""
        return self.select([name])[name]

    def select(self, names: Sequence[str]) -> pl.DataFrame:
        """Return some columns."""
        return self._scan.select(names).collect(engine=_STREAMED)

    def take(self, names: Sequence[str], rows: pl.Series) -> pl.DataFrame:
        """Return some rows of some columns, in the table's order.

        Args:
            names: The columns.
            rows: Positions of the rows, called :data:`ROW`, rising, of dtype UInt32.
        """
        numbered = self._scan.select(names).with_row_index(ROW)
        wanted = rows.to_frame().lazy()
        found = numbered.join(wanted, on=ROW, how="semi").collect(engine=_STREAMED)
        return found.sort(ROW).drop(ROW)


Table = pl.DataFrame | ScannedTable


class LazyColumns(Mapping[str, pl.Series]):
    """Columns by name, each read when it is asked for."""

    def __init__(self, sources: Mapping[str, tuple[Table, str]]) -> None:
        self._sources = dict(sources)

    def __getitem__(self, name: str) -> pl.Series:
        table, column = self._sources[name]
        return table[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def join(self, others: LazyColumns) -> LazyColumns:
        """Return these columns and others."""
        return LazyColumns({**self._sources, **others._sources})


def scan_table(raw: pl.LazyFrame) -> Table:
    """Read a lazy frame without holding it in memory; one that is in memory already stays there.

    A plain scan of Parquet files is read as it is. Anything else is written to a temporary Parquet
    file first, a part at a time: it would otherwise be computed anew for each column, in an order
    that need not be the same each time.
    """
    plain = raw.with_columns(list_plain_casts(raw.collect_schema()))
    plan = raw.explain(optimized=False)
    if plan.startswith(_IN_MEMORY):
        return plain.collect()
    if plan.startswith(_ON_DISK):
        return ScannedTable(plain)
    folder = ExitStack()
    file = folder.enter_context(temporary_folder("table")) / "table.parquet"
    plain.sink_parquet(file)
    table = ScannedTable(pl.scan_parquet(file))
    weakref.finalize(table, folder.close)
    return table


def list_plain_casts(schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """Return what makes categories texts, and decimals floats."""
    return [
        pl.col(name).cast(pl.Float64 if dtype.is_decimal() else pl.String)
        for name, dtype in schema.items()
        if dtype.is_decimal() or dtype in (pl.Categorical, pl.Enum)
    ]


def take_rows(table: Table, names: Sequence[str], rows: pl.Series) -> pl.DataFrame:
    """Return some rows of some columns; see :meth:`ScannedTable.take`."""
    if isinstance(table, ScannedTable):
        return table.take(names, rows)
    return table.select(names)[rows]
