"""Rows as somebody has them, given to each model in the form that it was fitted on."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit._core.formatting import count
from rightfit._core.processes.lost_threads import require_threads
from rightfit._core.spelling import find_nearest
from rightfit.models.onnx_session import first_line

Form = Literal["matrix", "floats", "pandas", "polars"]
"""``matrix``: an array of any type; ``floats``: one of float32."""

SHOWN = 10  # names in a message
MATRIX = ".npy"


@dataclass(frozen=True)
class RowTable:
    """Rows of named columns, or of a matrix without names.

    Args:
        content: A frame of pandas or polars, or an array of shape (n_rows, ...).
        form: Which of these.
        frame: The kind of frame for models that were fitted on one.
    """

    content: Any
    form: Form
    frame: Form

    def __len__(self) -> int:
        return len(self.content)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; those of a matrix are numbers, one for an array of other shape."""
        if self.form != "matrix":
            return tuple(map(str, self.content.columns))
        n_columns = self.content.shape[1] if self.is_flat else 1
        return tuple(map(str, range(n_columns)))

    @property
    def is_flat(self) -> bool:
        """Whether a row is a list of values, and not of another shape."""
        return self.form != "matrix" or self.content.ndim == 2

    def head(self, n_rows: int) -> RowTable:
        """Return the first rows."""
        return replace(self, content=self.content[:n_rows])

    def select(self, names: Sequence[str], *, of: str) -> RowTable:
        """Return the columns that a model reads, in its order; a matrix must be as wide.

        Names may have ``_`` in place of spaces, as those that LightGBM keeps.

        Args:
            names: Columns that it was fitted on.
            of: What was, for the message.

        Raises:
            RightfitError: If columns are missing.
        """
        if self.form == "matrix":
            if len(self.columns) != len(names):
                raise RightfitError(
                    f"{of} was fitted on {count(len(names), 'column')}, {shorten(names)}, but "
                    f"the rows have {len(self.columns)}. Give a frame that has them."
                )
            return self
        underscored = {column.replace(" ", "_"): column for column in self.columns}
        spelt = [name if name in self.columns else underscored.get(name, name) for name in names]
        missing = [name for name in spelt if name not in self.columns]
        if missing:
            near = find_nearest(missing[0], self.columns)
            hint = f" (is {near!r} meant?)" if near else ""
            raise RightfitError(
                f"The rows lack the columns {shorten(missing)}{hint}, which {of} was fitted on; "
                f"they have {shorten(self.columns)}. Give it rows as it was fitted on, raw or "
                "encoded."
            )
        if list(names) == list(self.columns):
            return self
        content = self.content[spelt]
        if spelt != list(names):
            renamed = dict(zip(spelt, names, strict=True))
            content = (
                content.rename(columns=renamed)
                if self.form == "pandas"
                else content.rename(renamed)
            )
        return replace(self, content=content)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a column: numbers as they are, gaps NaN; all else as objects, gaps ``None``."""
        if self.form == "matrix":
            wide = self.content.reshape(len(self), -1)
            return cast("npt.NDArray[Any]", wide[:, int(name)])
        read = _read_pandas if self.form == "pandas" else _read_polars
        return read(self.content[name])

    def to(self, form: Form, names: Sequence[str] = ()) -> Any:
        """Return the rows in another form.

        Args:
            form: The form.
            names: Of a matrix' columns in a frame; empty: those it has.

        Raises:
            ValueError: If columns are no numbers where numbers are needed.
        """
        if form == "floats":
            return np.ascontiguousarray(self.to("matrix"), dtype=np.float32)
        if form == self.form:
            return self.content
        if form == "matrix":  # of numbers, or of objects where a column holds others
            arrays = [self.column(name) for name in self.columns]
            kind = np.result_type(*{array.dtype for array in arrays})
            return np.ascontiguousarray(np.stack(arrays, axis=1), dtype=kind)
        columns = {
            name: self._convert(column, form)
            for name, column in zip(names or self.columns, self.columns, strict=True)
        }
        return importlib.import_module(form).DataFrame(columns)  # called as its library

    def _convert(self, name: str, form: Form) -> Any:
        """Return a column for a frame of another kind; categories stay categories."""
        if self.form == "polars" and form == "pandas":
            import pandas as pd
            import polars as pl

            series = self.content[name]
            if series.dtype in (pl.Categorical, pl.Enum):
                texts = series.cast(pl.String)
                is_fixed = isinstance(series.dtype, pl.Enum)
                categories = (
                    series.dtype.categories if is_fixed else texts.drop_nulls().unique().sort()
                )
                return pd.Categorical(texts.to_list(), categories=categories.to_list())
            if series.dtype.is_temporal():
                return series.to_list() if series.dtype == pl.Time else series.to_numpy()
        values = self.column(name)
        if not values.dtype.hasobject:
            return values
        return make_texts(values.tolist()) if form == "pandas" else values.tolist()


def make_texts(values: list[Any]) -> Any:
    """Return texts as a column of pandas; one without any text is a column of texts too."""
    import pandas as pd

    are_texts = all(value is None or isinstance(value, str) for value in values)
    return pd.Series(values, dtype=pd.Series(["a"]).dtype if are_texts else None)


def read_row_table(rows: object, *, texts: Collection[str] = ()) -> RowTable:
    """Take rows as they come: frames of pandas and polars, Arrow tables, arrays, files.

    Args:
        rows: The rows.
        texts: Columns of a CSV file that are texts whatever they look like.

    Raises:
        RightfitError: If they are none of these, or there are none; or if this process lacks the
            threads that tables are read with.
    """
    require_threads()
    table = rows if isinstance(rows, RowTable) else _read_any(rows, texts)
    if not len(table):
        raise RightfitError("The rows are empty. Give at least one; some thousand measure best.")
    names = table.columns
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RightfitError(f"The rows have several columns of the names {shorten(twice)}.")
    return table


def take_stored(table: Any) -> RowTable:
    """Take a table of polars that was read from a file; models may have been fitted on pandas."""
    return RowTable(table, "polars", _usual_frame())


def _read_any(rows: Any, texts: Collection[str]) -> RowTable:
    if isinstance(rows, str | Path):
        return _read_file(read_path("rows", rows), texts)
    if is_of(rows, "pandas", "DataFrame"):
        return RowTable(rows.reset_index(drop=True), "pandas", "pandas")
    if is_of(rows, "polars", "DataFrame"):
        return RowTable(rows, "polars", "polars")
    if hasattr(rows, "__arrow_c_stream__"):
        import polars as pl

        try:
            return take_stored(pl.DataFrame(rows))
        except pl.exceptions.PanicException as err:  # decimals of 256 bits, for example
            raise RightfitError(
                f"The rows have a column of a kind that is not read ({err}). Cast it to numbers or "
                "texts."
            ) from err
    if hasattr(rows, "toarray"):
        raise RightfitError(
            "The rows are a sparse matrix; give them as one of all values: rows.toarray()."
        )
    if not (hasattr(rows, "__array__") or isinstance(rows, Sequence)):
        raise RightfitError(
            "The rows must be a frame of pandas or polars, an Arrow table, an array, or the path "
            f"of a .parquet, .csv or {MATRIX} file, but got a {type(rows).__name__}."
        )
    try:
        matrix = np.asarray(rows)
    except ValueError as err:
        raise RightfitError(f"The rows are no array: {err}.") from err
    if matrix.ndim == 0:
        raise RightfitError(f"The rows must have a dimension for rows, but got {matrix.shape=}.")
    return RowTable(np.ascontiguousarray(matrix), "matrix", _usual_frame())


def _read_file(path: Path, texts: Collection[str]) -> RowTable:
    from rightfit._core.row_files import ROW_FILES, read_rows, require_file  # polars

    require_file(path, (*ROW_FILES, MATRIX))
    if path.suffix.lower() != MATRIX:
        return take_stored(read_rows(path, texts=texts))
    try:
        # mapped first: a short file may claim any number of rows
        matrix = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, EOFError, ValueError, TypeError, MemoryError) as err:
        raise RightfitError(f"{path} cannot be read: {first_line(err)}") from err
    return RowTable(np.atleast_1d(matrix), "matrix", _usual_frame())


def _usual_frame() -> Form:
    return "pandas" if importlib.util.find_spec("pandas") else "polars"


def _read_pandas(series: Any) -> npt.NDArray[Any]:
    from pandas.api.types import is_numeric_dtype

    values = np.asarray(series.to_numpy())
    if values.dtype.kind in "biufMm":
        return values
    if is_numeric_dtype(series.dtype):  # of a kind that has gaps
        numbers: npt.NDArray[Any] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    objects = np.array(values, dtype=object)
    objects[series.isna().to_numpy()] = None
    return objects


def _read_polars(series: Any) -> npt.NDArray[Any]:
    import polars as pl

    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.Boolean and series.null_count():
        series = series.cast(pl.Float64)
    values: npt.NDArray[Any] = series.to_numpy()
    return values


def shorten(names: Sequence[str]) -> str:
    """Write names as a list, of many the first ones."""
    return f"{list(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}"
