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
from collections.abc import Callable, Collection, Mapping, Sequence
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
NOTHING: Mapping[str, Any] = {}
PLAIN: set[type] = {int, float, bool, np.float64, np.float32, np.int64}  # of most values
NOT_NUMBERS = (dict, list, tuple, bytes, str, datetime.date, datetime.time, datetime.timedelta)
NOT_HELD = {TEXT: (dict, list, bytes), IMAGE: (dict, float, bool)}
MAX_FLOAT = sys.float_info.max
TRUTH = {"1": "true", "0": "false"}  # how numbers stand for categories that are true or false
MAX_SHOWN = 40  # characters of a value
FEW_ROWS = 256  # below which columns are joined and turned; more are written into rows one by one
GAP = float("nan")
UNUSUAL = "not as usual"  # said to nobody: the long way follows
NUMERIC = {np.dtype(code) for code in "?bhilqBHILQefd"}  # what a column of an array may hold
NUMERIC_OR_OBJECT = {*NUMERIC, np.dtype(object)}
# Numbers written as texts: what stands for a gap, and how signs and units are written.
GAPS = {"", "-", "--", ".", "?", "NA", "N/A", "n/a", "n.a.", "#N/A", "<NA>", "NaN", "nan", "NULL"}
GAPS |= {"null", "None", "none", "nil", "missing", "unknown", "k.A.", "k. A.", "#NV", "unbekannt"}
BLANKS, SIGNS = " \u00a0\u202f", "%€$£"
CURRENCIES = {"€": ("EUR", "Euro"), "$": ("USD",), "£": ("GBP",), "CHF": ("Fr.",)}
NOTATION = r"[.,]( \S.{0,19})?"  # of a column: the decimal mark, and the unit if there is one
_NUMBER = (
    "^[{blanks}]*(?:[-+]?[{blanks}]*(?:{unit})?|(?:{unit})[{blanks}]*[-+])[{blanks}]*"
    "(?:(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[{thousands}{blanks}'\u2019][0-9]{{3}})+)(?:[{decimal}][0-9]*)?"
    "|[{decimal}][0-9]+){exponent}[{blanks}]*(?:{unit})?[{blanks}]*$"
)


@functools.cache
def find_patterns(notation: str) -> tuple[str, str]:
    """Return the pattern of the numbers that texts of a notation are, and that of what to drop.

    Without a unit, signs are read and dropped; with one, it alone is.

    >>> [bool(re.match(find_patterns(", €")[0], text)) for text in ("EUR 1.234,5", "5", "5 $")]
    [True, True, False]
    """
    decimal, unit = notation[0], notation[2:]
    thousands = "," if decimal == "." else "."
    writings = "|".join(map(re.escape, (unit, *CURRENCIES.get(unit, ())))) if unit else f"[{SIGNS}]"
    pattern = _NUMBER.format(
        blanks=BLANKS,
        unit=writings,
        decimal=decimal,
        thousands=thousands,
        exponent="" if unit else "(?:[eE][-+]?[0-9]+)?",  # a unit may begin like one
    )
    return pattern, f"{writings}|[{BLANKS}'\u2019+{thousands}]"


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
        decimals: Of numbers, by column the notation of those that training read from texts: the
            decimal mark and, where they have one, a blank and the unit.
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


class Plan:
    """The short ways from a request to the tensors of a graph, found once.

    A short way refuses nothing: where a value is not as usual, it gives up, and the request goes
    the long way, :func:`make_feed`, which looks at each value and says what is wrong.

    Args:
        inputs: What the graph's description says it reads.
        lookups: What the graph reads in the place of texts.
        fillings: By input, how gaps are filled before the graph runs.
        turned: Inputs whose shape is (n_columns, n_rows), as columns lie in memory.
    """

    def __init__(
        self,
        inputs: Sequence[TensorInput],
        lookups: Sequence[Lookup] = (),
        fillings: Mapping[str, Filling] = NOTHING,
        turned: Collection[str] = (),
    ) -> None:
        self._inputs, self._fillings, self._turned = inputs, fillings, turned
        self._ways: dict[str, _Numbers | _Categories | _Others] = {}
        for tensor in inputs:
            if tensor.dtype == TEXT and lookups:
                self._ways |= {one.name: _Categories(one.tables, tensor) for one in lookups}
            elif tensor.dtype in ("float32", "float64"):
                self._ways[tensor.name] = _Numbers(
                    tensor, fillings.get(tensor.name), is_turned=tensor.name in turned
                )
            else:
                self._ways[tensor.name] = _Others(tensor)

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
        for tensor in self._inputs:
            if filling := self._fillings.get(tensor.name):
                feed[tensor.name] = filling.widen(feed[tensor.name])
            if tensor.dtype == TEXT and categories:
                texts = dict(zip(tensor.columns, feed.pop(tensor.name).T, strict=True))
                feed |= {name: way.lay(texts) for name, way in categories.items()}
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


class _Numbers:
    """How the numbers of a tensor are laid out."""

    def __init__(self, tensor: TensorInput, filling: Filling | None, *, is_turned: bool) -> None:
        self.dtype, self.sizes, self.filling = tensor.dtype, tensor.sizes, filling
        self.limit = min(float(self.sizes.min()), float(np.finfo(self.dtype).max))
        self.width = len(self.sizes) + (len(filling.indicated) if filling else 0)
        self._is_turned = is_turned
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
            table[:, n_columns:] = 0
            if isinstance(wide, np.ndarray):
                table[:, :n_columns] = wide.T
            elif self._is_turned:
                joined = table.T[:n_columns].reshape(-1)
                np.concatenate(wide, out=joined, casting="unsafe")
            elif n_rows < FEW_ROWS:
                joined = np.concatenate(wide, dtype=self.dtype, casting="unsafe")
                table[:, :n_columns] = joined.reshape(n_columns, n_rows).T
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
        pick, limit, filling = self.pick, self.limit, self.filling
        fill = filling.fill.tolist() if filling else [GAP] * len(self.sizes)
        indicated = filling.indicated.tolist() if filling else []
        none_missing = [0] * len(indicated)
        pack, memory = struct.Struct(f"{self.width}{table.dtype.char}").pack_into, array.data

        def write(columns: Columns) -> None:
            row, total = _add_up(_list_row(pick(columns)))
            missing, numbers = none_missing, row
            if total != total:
                missing = [row[i] != row[i] for i in indicated]
                numbers = [value for value in row if value == value]
                row = [value if value == value else fill[i] for i, value in enumerate(row)]
            pack(memory, 0, *row, *missing)
            if numbers and (max(numbers) > limit or min(numbers) < -limit):
                self._finish(table)

        return array, write

    def _make_table(self, n_rows: int) -> npt.NDArray[Any]:
        """Return a table, shape (n_rows, width), that lies as the graph reads it."""
        return np.empty((n_rows, self.width), self.dtype, order="F" if self._is_turned else "C")

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


def _add_up(values: Sequence[Any]) -> tuple[Sequence[Any], float]:
    """Return numbers with NaN for each gap, and their sum.

    A sum of float or int has no text among its terms, nor an array.

    Raises:
        TypeError: If one is no number.
        ValueError: If they are not all of the usual kinds.
    """
    try:
        total = sum(values)
    except TypeError:
        values = [GAP if value is None else value for value in values]
        total = sum(values)
    if type(total) in (float, int) or set(map(type, values)) <= PLAIN:
        return values, float(total)
    raise ValueError(UNUSUAL)


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
    numbers, _ = _add_up(values)
    return np.frombuffer(struct.pack(f"{len(numbers)}d", *numbers))  # numpy takes twice as long


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
        packed = struct.pack(f"{len(values)}q", *map(self.__getitem__, values))
        found = np.frombuffer(packed, np.int64)
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
        self._numberings = [_Numbering(*of, i, tensor) for i, of in tables.items()]

    def lay(self, columns: Columns) -> npt.NDArray[np.int64]:
        """Return the sums, shape (n_rows,)."""
        found = [numbering.find(columns[numbering.column]) for numbering in self._numberings]
        if len(set(map(len, found))) > 1:
            raise ValueError(UNUSUAL)
        return sum(found[1:], found[0])

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
                continue
            is_text = tensor.dtype == TEXT
            dtype = object if is_text else "float64" if tensor.dtype == WHOLE else tensor.dtype
            table = np.empty((len(values[0]), len(values)), dtype)
            for i, (name, column) in enumerate(zip(tensor.columns, values, strict=True)):
                is_boolean = name in tensor.booleans
                cells = (
                    [write_text(one, is_boolean=is_boolean) for one in column]
                    if is_text
                    else column
                )
                if len(cells) != len(table):
                    raise ValueError("The columns of a request must be of one length.")
                with np.errstate(over="ignore"):  # what float32 cannot hold is refused next
                    table[:, i] = cells
            if not is_text:
                check_sizes(table.T, tensor)
            feed[tensor.name] = _make_whole(table, tensor) if tensor.dtype == WHOLE else table
    except KeyError:
        names = {name for tensor in inputs for name in tensor.columns}
        lacking = sorted(names - set(columns))
        raise ValueError(
            f"The request lacks the columns {lacking}; a missing value is written null."
        ) from None
    return feed


def read_numbers(column: Values, decimal: str) -> Values:
    """Return a column with the texts that are numbers or gaps read as such.

    Args:
        column: Raw values.
        decimal: The decimal mark, a point or a comma; the other one parts thousands. Behind it a
            blank and the unit, if there is one.

    >>> read_numbers(["1.234,5 €", "12 %", "n/a", 7, "many"], ",")
    [1234.5, 12.0, None, 7, 'many']
    >>> read_numbers(["1.234,5 km", "12", "12 m"], ", km")
    [1234.5, 12.0, '12 m']
    """
    number, dropped = find_patterns(decimal)

    def read(text: str) -> float | str | None:
        if text.strip(BLANKS) in GAPS:
            return None
        if not re.fullmatch(number, text):
            return text
        return float(re.sub(dropped, "", text).replace(decimal[0], "."))

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
    wrong = NOT_HELD.get(tensor.dtype, NOT_NUMBERS)
    for name, values in zip(tensor.columns, columns, strict=True):
        if isinstance(values, np.ndarray) and values.dtype in NUMERIC:
            continue
        for number, value in enumerate(values):
            if isinstance(value, wrong) or (wrong is NOT_NUMBERS and getattr(value, "ndim", False)):
                kind = "a text" if tensor.dtype == TEXT else "a number"
                _refuse(name, number, value, kind, tensor.decimals.get(name, ""))
            if wrong is NOT_NUMBERS and isinstance(value, int) and abs(value) > MAX_FLOAT:
                _refuse(name, number, value, f"a number up to {MAX_FLOAT:.3g}")


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
    unit = f", {decimal[2:]!r} the unit" if decimal[2:] else ""
    hint = f" (in texts {decimal[0]!r} is the decimal mark{unit})" if decimal else ""
    raise ValueError(f"Row {number}: {name!r} must be {requirement} or null: {shown_value}{hint}")


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


def _make_image(values: Values, shape: Sequence[int] | None) -> npt.NDArray[Any]:
    if shape is not None:
        return np.stack([decode_image(read_bytes(value), shape) for value in values])
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    images = [read_bytes(value) for value in values]
    if len(set(map(len, images))) > 1:
        raise ValueError("The images of a request must be of one size.")
    return np.frombuffer(b"".join(images), np.uint8).reshape(len(images), -1)


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
