"""How a request becomes the tensors of a graph: raw columns in, arrays out.

A copy of this file lies in every export, so it needs numpy, and Pillow for image files, alone.
"""

from __future__ import annotations

import base64
import datetime
import functools
import io
import re
import reprlib
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

if __package__:
    from rightfit.models.lookups import Lookup
    from rightfit.models.onnx_session import Filling
else:  # run in an exported folder, which stands for itself
    from lookups import Lookup  # type: ignore[import-not-found,no-redef]
    from onnx_session import Filling  # type: ignore[import-not-found,no-redef]

Values = Sequence[Any] | npt.NDArray[Any]  # of one raw column, one per row; None: missing
Columns = Mapping[str, Values]

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 50_000_000  # of an image file; a small one can claim to hold gigabytes
TEXT, IMAGE = "string", "uint8"  # types of tensors that hold no numbers
WHOLE = "int64"
NONE = type(None)
PLAIN: set[type] = {int, float, bool, NONE, np.float64, np.float32, np.int64}  # of most values
PLAIN_OF: Mapping[str, set[type]] = {TEXT: PLAIN | {str}, IMAGE: {str, bytes}}
NOT_NUMBERS = (dict, list, bytes, str, datetime.date, datetime.time, datetime.timedelta)
NOT_HELD = {TEXT: (dict, list, bytes), IMAGE: (dict, float, bool)}
MAX_FLOAT = sys.float_info.max
TRUTH = {"1": "true", "0": "false"}  # how numbers stand for categories that are true or false
MAX_SHOWN = 40  # characters of a value
FEW_ROWS = 256  # below which columns are joined and turned; more are written into rows one by one
GAP = float("nan")
UNUSUAL = "not as usual"  # said to nobody: the long way follows
NUMERIC = {np.dtype(code) for code in "?bhilqBHILQefd"}  # what a column of an array may hold
NUMERIC_OR_OBJECT = {*NUMERIC, np.dtype(object)}
# Numbers written as texts: what stands for a gap, and by decimal mark a number and what to drop.
GAPS = {"", "-", "--", ".", "?", "NA", "N/A", "n/a", "n.a.", "#N/A", "<NA>", "NaN", "nan", "NULL"}
GAPS |= {"null", "None", "none", "nil", "missing", "unknown", "k.A.", "k. A.", "#NV", "unbekannt"}
BLANKS, SIGNS = " \u00a0\u202f", "%€$£"
_NUMBER = (
    "^[{blanks}]*(?:[-+]?[{blanks}]*[{signs}]?|[{signs}][{blanks}]*[-+])[{blanks}]*"
    "(?:(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[{thousands}{blanks}'\u2019][0-9]{{3}})+)(?:[{decimal}][0-9]*)?"
    "|[{decimal}][0-9]+)(?:[eE][-+]?[0-9]+)?[{blanks}]*[{signs}]?[{blanks}]*$"
)
NUMBER_TEXTS = {
    decimal: _NUMBER.format(blanks=BLANKS, signs=SIGNS, decimal=decimal, thousands=thousands)
    for decimal, thousands in (".,", ",.")
}
DROPPED = {decimal: f"[{BLANKS}{SIGNS}'\u2019+{thousands}]" for decimal, thousands in (".,", ",.")}


@dataclass(frozen=True)
class TensorInput:
    """One input tensor of a model that reads raw columns, shape (n_rows, n_columns).

    Args:
        name: Its name in the ONNX graph.
        dtype: ``string``; ``uint8``, the bytes of one image column, shape (n_rows, n_bytes);
            ``int64``, of which none may be missing; or a float type of numpy, where NaN stands for
            a missing value.
        columns: Raw columns it holds, in order.
        image_shape: ``(height, width, channels)`` that image files are decoded and resized to;
            ``None`` if the bytes are the pixels, or there is no image.
        limits: Of numbers, the largest size of each column's values; empty: any finite number.
        booleans: Of texts, the columns whose categories are true and false.
        decimals: Of numbers, by column the decimal mark of those that training read from texts.
        texts: Columns whose values are texts in a CSV file, also where all look like numbers.
    """

    name: str
    dtype: str
    columns: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    limits: tuple[float, ...] = ()
    booleans: tuple[str, ...] = ()
    decimals: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @functools.cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """The limits, shape (n_columns, 1)."""
        limits = self.limits or [MAX_FLOAT] * len(self.columns)
        return np.array(limits, dtype=np.float64)[:, None]


@dataclass(frozen=True)
class CompiledInput(TensorInput):
    """An input tensor of a compiled graph.

    Args:
        filling: How gaps are filled before the graph runs.
        is_turned: Whether its shape is (n_columns, n_rows), as columns lie in memory.
    """

    filling: Filling | None = None
    is_turned: bool = False


class Plan:
    """The short ways from a request to the tensors of a graph, found once.

    A short way refuses nothing: where a value is not as usual, it gives up, and the request goes
    the long way, :func:`make_feed`, which looks at each value and says what is wrong.

    Args:
        inputs: What the graph's description says it reads.
        lookups: What the graph reads in the place of texts.
    """

    def __init__(self, inputs: Sequence[TensorInput], lookups: Sequence[Lookup] = ()) -> None:
        self._inputs = inputs
        self._turned = [one.name for one in inputs if _is_turned(one)]
        self._ways: dict[str, _Numbers | _Categories | _Others] = {}
        for tensor in inputs:
            if tensor.dtype == TEXT and lookups:
                self._ways |= {one.name: _Categories(one.tables, tensor) for one in lookups}
            else:
                is_float = tensor.dtype in ("float32", "float64")
                self._ways[tensor.name] = _Numbers(tensor) if is_float else _Others(tensor)

    def feed(self, columns: Columns) -> dict[str, npt.NDArray[Any]]:
        """Turn raw columns into tensors.

        Raises:
            ValueError: As :func:`make_feed`.
        """
        try:
            feed = {name: way.lay(columns) for name, way in self._ways.items()}
            n_rows = set(map(len, feed.values()))
        except Exception:
            n_rows = set()
        feed = feed if len(n_rows) == 1 else self._feed_closely(columns)
        for name in self._turned:
            feed[name] = np.ascontiguousarray(feed[name].T)
        return feed

    def plan_row(
        self, n_bytes: int | None
    ) -> tuple[dict[str, npt.NDArray[Any]], Sequence[Callable[[Columns], None]]]:
        """Return arrays for requests of one row, and what writes them, if a row is as usual.

        Args:
            n_bytes: Of an image.

        Raises:
            ValueError: If there is no short way.
        """
        rows = {name: way.plan_row(n_bytes) for name, way in self._ways.items()}
        return {name: array for name, (array, _) in rows.items()}, [one for _, one in rows.values()]

    def _feed_closely(self, columns: Columns) -> dict[str, npt.NDArray[Any]]:
        feed = make_feed(columns, self._inputs)
        categories = {k: way for k, way in self._ways.items() if isinstance(way, _Categories)}
        if categories:
            [texts] = [feed.pop(tensor.name) for tensor in self._inputs if tensor.dtype == TEXT]
            if texts.ndim == 1:
                raise ValueError("The columns of a request must be of one length.")
            feed |= {name: way.look_up(texts) for name, way in categories.items()}
        return feed


def list_few(columns: Any) -> Any:
    """Return a polars frame of few rows as lists, which are quicker then."""
    try:
        if hasattr(columns, "height") and 0 < len(columns) < FEW_ROWS:
            values = map(list, zip(*columns.rows(), strict=True))
            return dict(zip(columns.columns, values, strict=True))
    except Exception:  # noqa: S110 -- whatever it is, the long way says it
        pass
    return columns


Row = tuple[npt.NDArray[Any], Callable[[Columns], None]]


def _is_turned(tensor: TensorInput) -> bool:
    return isinstance(tensor, CompiledInput) and tensor.is_turned


class _Numbers:
    """How the numbers of a tensor are laid out."""

    def __init__(self, tensor: TensorInput) -> None:
        self.dtype, self.sizes = tensor.dtype, tensor.sizes
        self.limit = min(float(self.sizes.min()), float(np.finfo(self.dtype).max))
        self.filling = tensor.filling if isinstance(tensor, CompiledInput) else None
        self.width = len(self.sizes) + (len(self.filling.indicated) if self.filling else 0)
        self._is_turned = _is_turned(tensor)
        names = tensor.columns
        self.pick: Any = (
            itemgetter(*names) if len(names) > 1 else lambda columns: (columns[names[0]],)
        )

    def lay(self, columns: Columns) -> npt.NDArray[Any]:
        """Return numbers in rows, shape (n_rows, width)."""
        values = self.pick(columns)
        n_rows, n_columns = len(values[0]), len(values)
        wide = _read_arrays(values, n_rows)
        with np.errstate(over="ignore"):  # what float32 cannot hold is looked at next
            table = self._make_table(n_rows)
            if n_rows < FEW_ROWS:
                if isinstance(wide, list):
                    wide = np.concatenate(wide, dtype=self.dtype, casting="unsafe")
                table[:, :n_columns] = wide.reshape(n_columns, n_rows).T
            else:
                for i, array in enumerate(wide):
                    table[:, i] = array
        if not _find_largest(table) <= self.limit:
            self._finish(table)
        return table

    def plan_row(self, _: int | None) -> Row:
        """Return a table of one row, and what writes it."""
        table = self._make_table(1)
        array = table.T if self._is_turned else table
        pick, flat, n_columns, limit = self.pick, array.reshape(-1), len(self.sizes), self.limit
        pack, memory = struct.Struct(f"{n_columns}{table.dtype.char}").pack_into, array.data

        def write(columns: Columns) -> None:
            row = _list_row(pick(columns))
            total = _sum_plain(row)
            if total is None:
                row = _write_gaps(row)
                total = _sum_plain(row)
            pack(memory, 0, *row)
            flat[n_columns:] = 0
            if total is None or total - total != 0 or max(row) > limit or min(row) < -limit:
                self._finish(table)  # something is missing, infinite or large

        return array, write

    def _make_table(self, n_rows: int) -> npt.NDArray[Any]:
        """Return zeros, shape (n_rows, width), that lie as the graph reads them."""
        return np.zeros((n_rows, self.width), self.dtype, order="F" if self._is_turned else "C")

    def _finish(self, table: npt.NDArray[Any]) -> None:
        """Fill the gaps of a table of which some number is missing or large.

        Raises:
            ValueError: If one is too large.
        """
        if self.filling:
            self.filling.apply(table)
        is_small = _find_largest(table) <= self.limit
        if not is_small and (np.abs(table[:, : len(self.sizes)].T) > self.sizes).any():
            raise ValueError(UNUSUAL)


def _find_largest(table: npt.NDArray[Any]) -> float:
    flat = table.ravel("K")  # as it lies in memory
    return float(max(np.maximum.reduce(flat), -np.minimum.reduce(flat)))


def _sum_plain(values: Any) -> float | None:
    """Return the sum of numbers; ``None``: they are not all of the usual kinds, or some are gaps.

    A sum of float or int has no text among its terms, nor an array.
    """
    try:
        total = sum(values)
    except TypeError:
        return None
    if type(total) is float or type(total) is int or set(map(type, values)) <= PLAIN:
        return float(total)
    return None


def _write_gaps(values: Sequence[Any]) -> list[Any]:
    """Return numbers with NaN for each gap."""
    if not set(map(type, values)) <= PLAIN:
        raise ValueError(UNUSUAL)
    return [GAP if value is None else value for value in values]


def _list_row(values: Sequence[Any]) -> list[Any]:
    """Return the values of columns of one row."""
    if len(values[0]) != 1:
        raise ValueError(UNUSUAL)
    if type(values[0]) is not np.ndarray:
        return [value for (value,) in values]
    row = np.concatenate(values)
    if set(map(len, values)) != {1} or row.dtype not in NUMERIC_OR_OBJECT:
        raise ValueError(UNUSUAL)
    return list(row.tolist())


def _read_arrays(values: Sequence[Any], n_rows: int) -> Any:
    """Return columns of numbers as arrays, as they lie in memory where they are arrays already.

    Returns:
        A list of arrays, or one of shape (n_columns, n_rows).
    """
    kinds = set(map(type, values))
    if kinds == {list} and n_rows < FEW_ROWS and set(map(len, values)) == {n_rows}:
        return _pack([*chain.from_iterable(values)]).reshape(-1, n_rows)
    are_arrays = kinds == {np.ndarray}
    arrays = list(values) if are_arrays else [_read_array(column) for column in values]
    forms = {(array.dtype, array.shape) for array in arrays}
    if not all(dtype in NUMERIC and shape == (n_rows,) for dtype, shape in forms):
        raise ValueError(UNUSUAL)
    return arrays


def _read_array(column: Any) -> npt.NDArray[Any]:
    if isinstance(column, np.ndarray):
        return column
    if isinstance(column, list | tuple):
        return _pack(column)
    if type(column).__module__.startswith("pyarrow"):
        return np.asarray(column)
    array: npt.NDArray[Any] = column.to_numpy()  # of polars and pandas
    return array


def _pack(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return numbers as float64, NaN for gaps."""
    if _sum_plain(values) is not None:  # without gaps numpy takes twice as long
        return np.frombuffer(struct.pack(f"{len(values)}d", *values))
    if not set(map(type, values)) <= PLAIN:
        raise ValueError(UNUSUAL)
    return np.array(values, dtype=np.float64)


class _Numbering(dict[Any, int]):
    """What each text of a column stands for.

    Args:
        table: What each text stands for.
        other: What any other one does.
        position: Of the column.
        tensor: The tensor of texts.
    """

    def __init__(
        self, table: Mapping[str, int], other: int, position: int, tensor: TensorInput
    ) -> None:
        super().__init__(table)
        self[None] = self.get("", other)
        self.other = other
        self.column = tensor.columns[position]
        self.is_boolean = self.column in tensor.booleans

    def __missing__(self, value: Any) -> int:
        if isinstance(value, NOT_HELD[TEXT]) or hasattr(value, "as_py"):  # an object of Arrow
            raise TypeError(UNUSUAL)
        return self.get(write_text(value, is_boolean=self.is_boolean), self.other)

    def find(self, values: Any) -> npt.NDArray[np.int64]:
        """Return what a column's values stand for, shape (n_rows,)."""
        at = None
        if type(values) is not list:
            values, at = read_categories(values)
        found = np.fromiter(map(self.__getitem__, values), np.int64, len(values))
        return found if at is None else found[at]


def read_categories(column: Any) -> tuple[list[Any], npt.NDArray[Any] | None]:
    """Return the values of a column; of one that holds each once, those, and which row has which.

    >>> values, at = read_categories(np.array([7, 8, 7]))
    >>> list(map(int, values)), at.tolist()
    ([7, 8], [0, 1, 0])
    """
    kind = type(getattr(column, "dtype", getattr(column, "type", None))).__name__
    if isinstance(column, np.ndarray):
        if column.dtype not in NUMERIC:
            return column.tolist(), None
        distinct, at = np.unique(column, return_inverse=True)
        return list(distinct), at.reshape(column.shape)
    if kind in ("Categorical", "Enum"):  # of polars
        names = column.cat.get_categories().to_list()
        return [*names, None], column.to_physical().fill_null(len(names)).to_numpy()
    if kind == "CategoricalDtype":  # of pandas, where -1 is a gap: the last one
        return [*column.cat.categories, None], column.cat.codes.to_numpy()
    if kind == "DictionaryType" and hasattr(column, "dictionary"):
        at = column.indices.fill_null(len(column.dictionary)).to_numpy(zero_copy_only=False)
        return [*column.dictionary.to_pylist(), None], at
    for name in ("to_list", "to_pylist", "tolist"):
        if hasattr(column, name):
            return getattr(column, name)(), None
    return list(column), None


class _Categories:
    """An input of whole numbers: for each row the sum of what its texts stand for."""

    def __init__(
        self, tables: Mapping[int, tuple[Mapping[str, int], int]], tensor: TensorInput
    ) -> None:
        self._places = list(tables)
        self._numberings = [_Numbering(*of, i, tensor) for i, of in tables.items()]

    def lay(self, columns: Columns) -> npt.NDArray[np.int64]:
        """Return the sums, shape (n_rows,)."""
        found = [numbering.find(columns[numbering.column]) for numbering in self._numberings]
        if len(set(map(len, found))) > 1:
            raise ValueError(UNUSUAL)
        total: npt.NDArray[np.int64] = found[0] if len(found) == 1 else np.array(found).sum(axis=0)
        return total

    def look_up(self, texts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the sums of texts, shape (n_rows, n_columns of the tensor)."""
        parts = zip(self._places, self._numberings, strict=True)
        found = [list(map(numbering.__getitem__, texts[:, i])) for i, numbering in parts]
        total: npt.NDArray[np.int64] = np.array(found, dtype=np.int64).sum(axis=0)
        return total

    def plan_row(self, _: int | None) -> Row:
        """Return an array of one sum, and what writes it."""
        array = np.zeros(1, np.int64)

        def write(columns: Columns) -> None:
            total = 0
            for numbering in self._numberings:
                (value,) = columns[numbering.column]
                total += numbering[value]
            array[0] = total

        return array, write


class _Others:
    """A tensor of an image, of texts or of whole numbers, by the long way where there is none."""

    def __init__(self, tensor: TensorInput) -> None:
        self._tensor, self._name = tensor, tensor.columns[0]
        self._is_pixels = tensor.dtype == IMAGE and tensor.image_shape is None

    def lay(self, columns: Columns) -> npt.NDArray[Any]:
        """Return the tensor."""
        if self._is_pixels:
            values: Any = columns[self._name]
            if isinstance(values, np.ndarray) and values.dtype == np.uint8 and values.ndim == 2:
                return values
            values = values if isinstance(values, list) else read_categories(values)[0]
            if set(map(type, values)) == {bytes} and len(set(map(len, values))) == 1:
                return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)
        return make_feed(columns, [self._tensor])[self._tensor.name]

    def plan_row(self, n_bytes: int | None) -> Row:
        """Return an array of one image, and what writes it."""
        if not self._is_pixels or not n_bytes:
            raise ValueError(UNUSUAL)
        array = np.zeros((1, n_bytes), np.uint8)

        def write(columns: Columns) -> None:
            (value,) = columns[self._name]
            pixels = np.frombuffer(value, np.uint8) if type(value) is bytes else value
            if pixels.dtype != np.uint8 or pixels.shape != (n_bytes,):
                raise ValueError(UNUSUAL)
            array[0] = pixels

        return array, write


def make_feed(columns: Columns, inputs: Sequence[TensorInput]) -> dict[str, npt.NDArray[Any]]:
    """Turn raw columns into the input tensors of a model.

    Args:
        columns: Raw values by column, all of one length.
        inputs: Tensors that the model reads.

    Raises:
        ValueError: If a column is missing, or holds what its tensor cannot.

    >>> numbers = TensorInput("numbers", "float64", ("a", "b"))
    >>> make_feed({"a": [1], "b": [None], "c": ["x"]}, [numbers])
    {'numbers': array([[ 1., nan]])}
    """
    feed: dict[str, npt.NDArray[Any]] = {}
    try:
        for tensor in inputs:
            values = [columns[name] for name in tensor.columns]
            # Values of Arrow are objects of their own.
            values = [one.to_pylist() if hasattr(one, "to_pylist") else one for one in values]
            for name, decimal in tensor.decimals.items():
                at = tensor.columns.index(name)
                values[at] = read_numbers(values[at], decimal)
            check_kinds(values, tensor)
            if tensor.dtype == IMAGE:
                feed[tensor.name] = _make_image(values[0], tensor.image_shape)
            elif tensor.dtype == TEXT:
                texts = [
                    _write_texts(column, is_boolean=name in tensor.booleans)
                    for name, column in zip(tensor.columns, values, strict=True)
                ]
                feed[tensor.name] = np.ascontiguousarray(np.array(texts, dtype=object).T)
            else:
                with np.errstate(over="ignore"):  # what float32 cannot hold is refused next
                    numbers = _make_numbers(values, tensor)
                check_sizes(numbers[:, : len(values)].T, tensor)
                feed[tensor.name] = (
                    _make_whole(numbers, tensor) if tensor.dtype == WHOLE else numbers
                )
    except KeyError:
        names = {name for tensor in inputs for name in tensor.columns}
        lacking = sorted(names - set(columns))
        raise ValueError(
            f"The request lacks the columns {lacking}; a missing value is written null."
        ) from None
    except OverflowError:  # a whole number that float64 does not hold
        for tensor in inputs:
            for name in tensor.columns if tensor.dtype != TEXT else ():
                for number, value in enumerate(columns[name]):
                    if isinstance(value, int) and abs(value) > MAX_FLOAT:
                        _refuse(name, number, value, f"a number up to {MAX_FLOAT:.3g}")
        raise
    return feed


def read_numbers(column: Values, decimal: str) -> Values:
    """Return a column with the texts that are numbers or gaps read as such.

    Args:
        column: Raw values.
        decimal: The decimal mark, a point or a comma; the other one parts thousands.

    >>> read_numbers(["1.234,5 €", "12 %", "n/a", 7, "many"], ",")
    [1234.5, 12.0, None, 7, 'many']
    """

    def read(text: str) -> float | str | None:
        if text.strip(BLANKS) in GAPS:
            return None
        if not re.fullmatch(NUMBER_TEXTS[decimal], text):
            return text
        return float(re.sub(DROPPED[decimal], "", text).replace(decimal, "."))

    if isinstance(column, np.ndarray) and column.dtype.kind not in "OU":
        return column
    return [read(value) if isinstance(value, str) else value for value in column]


def check_kinds(columns: Sequence[Values], tensor: TensorInput) -> None:
    """Refuse values of a kind that a tensor cannot hold; numpy would take some for others.

    Args:
        columns: Raw values of each of the tensor's columns.
        tensor: The tensor.

    Raises:
        ValueError: Naming the first such value.

    >>> check_kinds([["3"]], TensorInput("numbers", "float64", ("a",)))
    Traceback (most recent call last):
        ...
    ValueError: Row 0: 'a' must be a number or null: '3'
    """
    kinds: set[type] = set()
    for values in columns:
        if isinstance(values, np.ndarray):
            kinds.add(values.dtype.type)
        else:
            kinds.update(map(type, values))
    if kinds <= PLAIN_OF.get(tensor.dtype, PLAIN):
        return
    wrong = NOT_HELD.get(tensor.dtype, NOT_NUMBERS)
    for name, values in zip(tensor.columns, columns, strict=True):
        for number, value in enumerate(values):
            if isinstance(value, wrong):
                kind = "a text" if tensor.dtype == TEXT else "a number"
                _refuse(name, number, value, kind, tensor.decimals.get(name, ""))


def check_sizes(numbers: npt.NDArray[Any], tensor: TensorInput) -> None:
    """Refuse numbers that are infinite, or too large for a model, which reads float32.

    Args:
        numbers: Shape (n_columns, n_rows); NaN: missing.
        tensor: The tensor.

    Raises:
        ValueError: Naming the first such number.
    """
    is_larger = np.abs(numbers) > tensor.sizes
    if np.count_nonzero(is_larger):  # faster than any()
        column, row = np.argwhere(is_larger)[0].tolist()
        limit = float(tensor.sizes[column, 0])
        requirement = f"a number between -{limit:.3g} and {limit:.3g},"
        _refuse(tensor.columns[column], row, float(numbers[column, row]), requirement)


def _refuse(name: str, number: int, value: object, requirement: str, decimal: str = "") -> None:
    shown_value = reprlib.repr(value)[:MAX_SHOWN]
    hint = f" (in texts {decimal!r} is the decimal mark)" if decimal else ""
    raise ValueError(f"Row {number}: {name!r} must be {requirement} or null: {shown_value}{hint}")


def _make_numbers(values: Sequence[Values], tensor: TensorInput) -> npt.NDArray[Any]:
    """Return numbers as a graph reads them, shape (n_rows, n_columns + n_indicated)."""
    n_columns, n_rows = len(values), len(values[0])
    filling = tensor.filling if isinstance(tensor, CompiledInput) else None
    n_indicated = len(filling.indicated) if filling else 0
    dtype = "float64" if tensor.dtype == WHOLE else tensor.dtype
    if type(values[0]) is np.ndarray:  # ten times as fast as to turn columns that were stacked
        table = np.zeros((n_rows, n_columns + n_indicated), dtype=dtype)
        for i, column in enumerate(values):
            if len(column) != n_rows:
                raise ValueError("The columns of a request must be of one length.")
            table[:, i] = column
    elif n_rows == 1:  # twice as fast as nested lists; each column must hold one value
        row = [value for (value,) in values]
        row += [0.0] * n_indicated
        table = np.array([row], dtype=dtype)
    else:
        no_gaps = [[0.0] * n_rows] * n_indicated
        table = np.ascontiguousarray(np.array([*values, *no_gaps], dtype=dtype).T)
    if filling:
        filling.apply(table)
    return table


def _make_whole(numbers: npt.NDArray[Any], tensor: TensorInput) -> npt.NDArray[Any]:
    """Return numbers as whole ones; refuse others, and missing values."""
    is_whole = numbers == np.floor(numbers)
    if not is_whole.all():
        row, column = np.argwhere(~is_whole)[0].tolist()
        raise ValueError(
            f"Row {row}: {tensor.columns[column]!r} must be a whole number: "
            f"{float(numbers[row, column])}"
        )
    return numbers.astype(WHOLE)


def _write_texts(column: Values, *, is_boolean: bool = False) -> Values:
    """Return categories as texts; where they are texts already, none is looked at by itself.

    >>> [_write_texts(column) for column in (["a", "b"], ["a", None], [0, None])]
    [['a', 'b'], ['a', ''], ['0', '']]
    """
    if len(column) == 1 or is_boolean:
        return [write_text(value, is_boolean=is_boolean) for value in column]
    texts: Values = column
    for _ in range(2):
        try:
            "".join(texts)  # which only texts can be
        except TypeError:
            texts = ["" if text is None else text for text in column]
        else:
            return texts
    return [write_text(value) for value in column]


def _make_image(values: Values, shape: Sequence[int] | None) -> npt.NDArray[Any]:
    if shape is not None:
        return np.stack([decode_image(read_bytes(value), shape) for value in values])
    if isinstance(values, np.ndarray):
        return values
    return np.array([np.frombuffer(read_bytes(value), np.uint8) for value in values])


def read_bytes(value: Any) -> bytes:
    """Return the bytes of a request's image: bytes, a base64 text, or a list of numbers.

    >>> [read_bytes(value) for value in (b"ab", "YWI=", [97, 98])]
    [b'ab', b'ab', b'ab']
    """
    if value is None or isinstance(value, int):
        raise ValueError("An image is missing; it is a base64 text or a list of its bytes.")
    return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)


def decode_image(content: bytes, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Decode an image file and resize it, upright, without keeping its proportions.

    Args:
        content: A PNG or JPEG file.
        shape: Height, width and channels: 1 for grey, 3 for red, green and blue.

    Returns:
        The pixels row by row, channels last, shape (height * width * channels,).

    Raises:
        ValueError: If it is no such file, is damaged, or has too many pixels.
    """
    from PIL import Image, ImageOps

    height, width, n_channels = shape
    mode = "L" if n_channels == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"more than {MAX_PIXELS:,} pixels")
            image.draft(mode, (width, height))  # a large JPEG is decoded small at once
            upright = ImageOps.exif_transpose(image.convert(mode))
            resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    except Exception as err:  # of damaged files Pillow raises many kinds, struct.error among them
        raise ValueError(f"An image is no PNG or JPEG file that can be read: {err}") from err
    return np.asarray(resized, dtype=np.uint8).reshape(-1)


def write_text(value: Any, *, is_boolean: bool = False) -> str:
    """Write a category as text; a missing one is empty.

    JSON does not tell 7.0 from 7, so both are ``7``. Among truth values 1 is true and 0 is false.

    >>> [write_text(value) for value in ("JFK", 7, 7.0, 2e16, True, None, float("nan"))]
    ['JFK', '7', '7', '20000000000000000', 'true', '', '']
    >>> [write_text(value) for value in (np.float32(7), np.float32(0.1), np.True_)]
    ['7', '0.1', 'true']
    >>> [write_text(value, is_boolean=True) for value in (True, 1, 0.0, "1")]
    ['true', 'true', 'false', '1']
    """
    if type(value) is str:
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    is_whole = isinstance(value, float | np.floating) and value.is_integer()
    text = str(int(value)) if is_whole else str(value)
    return TRUTH.get(text, text) if is_boolean else text
