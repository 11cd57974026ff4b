"""Tables of any library, or of files, as polars has them: in memory, or on disk.

A table need not fit into memory. It is read a column at a time, and of that only chosen rows. What
a whole column decides (its dtype, its gaps, who is in which part) is decided exactly as for a table
in memory; the rows themselves are read once it is known which of them are kept. pandas is not
imported here and need not be installed.
"""

from __future__ import annotations

import io
import math
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.leftovers import temporary_folder
from rightfit._core.processes.lost_threads import require_threads

ROW = ""  # position of a row in its table; no column of a raw table is called so
_STREAMED: Final = "streaming"  # polars' engine that works on parts of a table
_ON_DISK, _IN_MEMORY = "Parquet SCAN", "DF ["  # how the plan of a bare scan begins
SPLIT = {"train", "test"}  # names of two folders
_PLAIN: Mapping[Any, type[pl.DataType]] = {
    pl.Decimal: pl.Float64,
    pl.Categorical: pl.String,
    pl.Enum: pl.String,
    pl.Int128: pl.Float64,
    **({pl.UInt128: pl.Float64} if hasattr(pl, "UInt128") else {}),  # polars 1.34 and later
    **({pl.Float16: pl.Float32} if hasattr(pl, "Float16") else {}),  # polars 1.36 and later
}


class RawTableError(RightfitError):
    """Raw tables that do not fit their description; commands show its message without traceback."""

    key = "datasets"


class ScannedTable:
    """A table on disk. Columns are read when they are asked for: ask for few at once.

    Args:
        scan: Scan of Parquet files, which gives the rows in one order every time.
        files: The files; those that are not on this machine's disks are not watched.
    """

    def __init__(self, scan: pl.LazyFrame, files: Iterable[str] = ()) -> None:
        self._scan = scan
        self._states = {
            path: (state.st_size, state.st_mtime_ns)
            for path in map(Path, files)
            if path.is_file() and (state := path.stat())
        }

    def require_unchanged(self) -> None:
        """Check sizes and times of change of the files against those when the table was opened.

        Raises:
            RawTableError: If one differs; names the first.
        """
        for path, expected in self._states.items():
            state = path.stat() if path.is_file() else None
            if state is None or (state.st_size, state.st_mtime_ns) != expected:
                raise RawTableError(
                    f"The file {path} has {'changed' if state else 'gone'} since this run opened "
                    "it. Run again once nothing writes to it."
                )

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._scan.collect_schema().names()

    @cached_property
    def height(self) -> int:
        """Number of rows."""
        return int(self._collect(self._scan.select(pl.len())).item())

    def __getitem__(self, name: str) -> pl.Series:
        """Return a column."""
        return self.select([name])[name]

    def select(self, names: Sequence[str]) -> pl.DataFrame:
        """Return some columns."""
        return self._collect(self._scan.select(names))

    def count_distinct_rows(self) -> int:
        """Count the rows that differ from one another in some column, by a hash of each row."""
        row_hash = pl.struct(pl.all()).hash()
        return int(self._collect(self._scan.select(row_hash.n_unique())).item())

    def slice(self, start: int, n_rows: int) -> pl.DataFrame:
        """Return some rows in a row."""
        return self._collect(self._scan.slice(start, n_rows))

    def take(self, names: Sequence[str], rows: pl.Series) -> pl.DataFrame:
        """Return some rows of some columns, in the order asked for.

        Args:
            names: The columns.
            rows: Positions of the rows, called :data:`ROW`; one that comes twice is taken twice.
        """
        numbered = self._scan.select(names).with_row_index(ROW)
        row_numbers = rows.cast(pl.UInt32).to_frame().lazy()
        table = self._collect(numbered.join(row_numbers, on=ROW)).sort(ROW).drop(ROW)
        return table if rows.is_sorted() else table[rows.arg_sort().arg_sort()]

    def _collect(self, scan: pl.LazyFrame) -> pl.DataFrame:
        """Read what is asked of the table.

        Raises:
            RawTableError: If a file has changed, is gone, damaged, or lacks a column of the first.
        """
        try:
            return scan.collect(engine=_STREAMED)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as err:
            self.require_unchanged()
            reason = str(err).strip().splitlines()[0]
            raise RawTableError(
                f"The table's files cannot be read: {reason}. Every file needs the same columns, "
                "and none may change while a run reads them."
            ) from err


Table = pl.DataFrame | ScannedTable


def read_frame(raw: object, *, entry: str) -> Table:
    """Convert one loaded table.

    Args:
        raw: A polars or pandas frame, a lazy polars frame, anything with an Arrow stream, or a dict
            of partitions of these or of functions that load them (``PartitionedDataset``). Where
            the partitions are files, as bytes or images of Pillow, each gives a row:
            :func:`tabulate_files`.
        entry: Its name, for messages: that of a catalog entry, or what it holds.

    Returns:
        The table; a lazy frame that scans files stays on disk. Categories are texts, decimals and
        integers of 128 bits are floats, floats of 16 bits have 32; pandas' NaN is null.

    Raises:
        RawTableError: If it is no table, or a column cannot be converted.
        RightfitError: If this process lacks the threads that tables are read with.
    """
    require_threads()
    if isinstance(raw, Mapping) and raw:
        return _join_partitions(raw, entry)
    if isinstance(raw, pl.LazyFrame):
        return scan_table(raw)
    if isinstance(raw, pl.DataFrame):
        return raw.cast(_PLAIN)
    if type(raw).__module__.split(".")[0] == "pandas" and hasattr(raw, "columns"):
        return _read_pandas(raw, entry).cast(_PLAIN)
    if hasattr(raw, "__arrow_c_stream__"):
        try:
            frame: pl.DataFrame = pl.DataFrame(raw)
        except pl.exceptions.PanicException as err:  # decimals of 256 bits, for example
            raise RawTableError(
                f"{entry} has a column of a kind that is not read ({err}). Cast it to numbers or "
                "texts."
            ) from err
        return frame.cast(_PLAIN)
    raise RawTableError(
        f"{entry} must be a table (polars, pandas, Arrow, or partitions of these), but is of type "
        f"{type(raw).__module__}.{type(raw).__qualname__}."
    )


def _join_partitions(raw: Mapping[Any, Any], entry: str) -> Table:
    loaded = {name: part() if callable(part) else part for name, part in sorted(raw.items())}
    files = {name: read_file(part) for name, part in loaded.items()}
    contents = {name: content for name, content in files.items() if content is not None}
    if len(contents) == len(loaded):
        return tabulate_files(contents)
    lazy = [part for part in loaded.values() if isinstance(part, pl.LazyFrame)]
    try:
        if len(lazy) == len(loaded):
            return scan_table(pl.concat(lazy, how="vertical_relaxed"))
        parts = [read_frame(part, entry=f"{entry}/{name}") for name, part in loaded.items()]
        whole = [part.select(part.columns) for part in parts]
        return pl.concat(whole, how="vertical_relaxed")
    except pl.exceptions.PolarsError as err:
        raise RawTableError(f"The partitions of {entry} do not fit together: {err}.") from err


def read_file(part: object) -> bytes | None:
    """Return the content of a partition that is a file: bytes, or an image that Pillow opened.

    ``None`` if it is neither. An image becomes a PNG file, which loses nothing.
    """
    if isinstance(part, bytes):
        return part
    if type(part).__module__.split(".")[0] != "PIL":
        return None
    file = io.BytesIO()
    part.save(file, "PNG")  # type: ignore[attr-defined]
    return file.getvalue()


def tabulate_files(files: Mapping[str, bytes]) -> pl.DataFrame:
    """Put image files into a table, a row each.

    Returns:
        ``path`` and ``image``; ``folder``, the name of the folder a file lies in, if all lie in
        one; ``split`` if all lie in folders below the two folders ``train`` and ``test``.

    >>> tabulate_files({"train/cat/1.png": b"", "test/dog/2.png": b""}).drop("image").rows()
    [('train/cat/1.png', 'cat', 'train'), ('test/dog/2.png', 'dog', 'test')]
    """
    folders = [PurePosixPath(path).parent.parts for path in files]
    columns: dict[str, list[str] | list[bytes]] = {"path": [*files]}
    if all(folders):
        columns["folder"] = [parts[-1] for parts in folders]
    if all(len(parts) > 1 for parts in folders) and {parts[0] for parts in folders} == SPLIT:
        columns["split"] = [parts[0] for parts in folders]
    return pl.DataFrame({**columns, "image": [*files.values()]})


def _read_pandas(frame: Any, entry: str) -> pl.DataFrame:
    names = [str(name) for name in frame.columns]
    if repeated := [name for name, n_columns in Counter(names).items() if n_columns > 1]:
        raise RawTableError(
            f"The pandas frame of {entry} has several columns called {repeated}. Rename them."
        )
    columns, faults = {}, []
    for position, name in enumerate(names):
        try:
            columns[name] = pl.from_pandas(frame.iloc[:, position])
        except Exception as err:  # pyarrow and polars raise many kinds
            faults.append(f"{name!r} ({str(err).splitlines()[0]})")
    if faults:
        raise RawTableError(
            f"The pandas frame of {entry} has columns of mixed or unknown kind: "
            f"{', '.join(faults)}. Give each column one kind, for example with astype(str)."
        )
    return pl.DataFrame(columns)


def scan_table(raw: pl.LazyFrame) -> Table:
    """Read a lazy frame without holding it in memory; one that is in memory already stays there.

    A plain scan of Parquet files is read as it is. Anything else is written to a temporary Parquet
    file first, a part at a time: it would otherwise be computed anew for each column, in an order
    that need not be the same each time.
    """
    plain = raw.cast(_PLAIN)
    plan = raw.explain(optimized=False)
    if plan.startswith(_IN_MEMORY):
        return plain.collect()
    if plan.startswith(_ON_DISK):
        # polars' way to a plan's nodes, made for engines: no public one tells a scan's files
        return ScannedTable(plain, raw._ldf.visit().view_current_node().paths)
    folder = ExitStack()
    file = folder.enter_context(temporary_folder("table")) / "table.parquet"
    plain.sink_parquet(file)
    table = ScannedTable(pl.scan_parquet(file, glob=False))
    weakref.finalize(table, folder.close)
    return table


def require_columns(table: Table, names: Iterable[str]) -> None:
    """Refuse rows without the columns that a model reads.

    Raises:
        RightfitError: Naming those that they lack.
    """
    if missing := [name for name in dict.fromkeys(names) if name not in table.columns]:
        raise RightfitError(
            f"The rows lack the columns {missing}, which the model reads; they have "
            f"{table.columns}. A value that is not known may be missing, its column may not."
        )


def is_missing(value: object) -> bool:
    """Tell whether a Python value stands for a missing one: None, NaN, pandas' NaT or NA."""
    if isinstance(value, float | np.floating | Decimal):
        return math.isnan(value)
    names = ("NoneType", "NaTType", "NAType")  # pandas need not be installed
    return type(value).__name__ in names
