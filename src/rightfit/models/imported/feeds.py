"""Rows as a model reads them, of a table that somebody has, or at random where there is none.

A native model reads a matrix or a frame, an ONNX graph a matrix or an array for each named input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count
from rightfit._core.spelling import find_nearest
from rightfit.models.bundle import Bundle
from rightfit.models.imported.row_table import SHOWN, Form, RowTable, shorten
from rightfit.models.onnx_session import first_line
from rightfit.models.runtimes import reads_graph

TEXT = "str"
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": TEXT,
    **{f"tensor({name})": name for name in ("float16", "bool", *WHOLE)},
}
"""numpy's name of each type of input that can be fed."""

SEED = 0  # of random rows
MAX_RANDOM_ROWS = 1_024
MAX_RANDOM_VALUES = 2**24  # of all random rows together
EXACT = ("float32", "float16", "int8", "int16", "uint8", "uint16", "bool")  # as float32

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """An input or output of an ONNX file.

    Args:
        name: Its name.
        dtype: numpy's name of its type, ``str`` for texts; as declared where there is no such type.
        shape: Sizes as declared, the rows' dimension first; ``None`` where any size will do.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def n_values(self) -> int | None:
        """Values a row; ``None`` where the file does not say."""
        return None if None in self.shape[1:] else math.prod(self.known_sizes)

    @property
    def known_sizes(self) -> tuple[int, ...]:
        """The sizes of one row that the file says."""
        return tuple(size for size in self.shape[1:] if size is not None)

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} [{sizes}]"


@dataclass(frozen=True)
class Feed:
    """How an input is filled.

    Args:
        name: Its name.
        dtype: numpy's name of its type, ``str`` for texts.
        shape: Sizes of one row.
        columns: Columns that it takes, in order; empty: all that there are.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Feed:
        """Read it back from what :meth:`to_dict` wrote."""
        return cls(raw["name"], raw["dtype"], tuple(raw["shape"]), tuple(raw["columns"]))


def read_inputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's inputs in their order."""
    return tuple(_read_tensor(node) for node in session.get_inputs())


def read_outputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's outputs in their order."""
    return tuple(_read_tensor(node) for node in session.get_outputs())


def reads_matrix(inputs: Sequence[Tensor]) -> bool:
    """Tell whether a graph reads what a matrix of float32 holds exactly."""
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].dtype in EXACT


def list_columns(inputs: Sequence[Tensor]) -> tuple[str, ...] | None:
    """Return the columns that a graph reads by name: one for each of several inputs."""
    return tuple(tensor.name for tensor in inputs) if len(inputs) > 1 else None


def plan_feeds(inputs: Sequence[Tensor], rows: RowTable) -> tuple[Feed, ...]:
    """Say how a graph's inputs are filled from a table.

    Where every input is named like a column, each takes that column. Otherwise the graph must have
    one input, which takes all columns in their order.

    Raises:
        RightfitError: If names, kinds or numbers of columns do not fit.
    """
    check_types(inputs)
    if all(tensor.name in rows.columns for tensor in inputs):
        return tuple(_plan(tensor, rows, (tensor.name,)) for tensor in inputs)
    if len(inputs) == 1:
        return (_plan(inputs[0], rows, rows.columns if rows.is_flat else ()),)
    missing = [tensor.name for tensor in inputs if tensor.name not in rows.columns]
    near = find_nearest(missing[0], rows.columns)
    hint = f" (is {near!r} meant?)" if near else ""
    raise RightfitError(
        f"The file's inputs {missing[:SHOWN]} are no columns of the rows{hint}, which have "
        f"{shorten(rows.columns)}. Give the raw columns that the file reads."
    )


def fill(feeds: Sequence[Feed], rows: RowTable) -> dict[str, Array]:
    """Return the inputs' values, each of shape (n_rows, ...).

    Raises:
        RightfitError: If columns hold other kinds of values.
    """
    return {feed.name: _fill(feed, rows) for feed in feeds}


def plan_random(inputs: Sequence[Tensor]) -> tuple[Feed, ...]:
    """Say how a graph's inputs are filled where there is no table.

    Raises:
        RightfitError: If an input does not say how many values it takes.
    """
    check_types(inputs)
    unknown = [str(tensor) for tensor in inputs if tensor.n_values is None]
    if unknown:
        raise RightfitError(
            f"The file does not say how many values a row of {unknown} has; give it rows."
        )
    return tuple(Feed(tensor.name, tensor.dtype, tensor.known_sizes, ()) for tensor in inputs)


def draw(feeds: Sequence[Feed]) -> dict[str, Array]:
    """Fill inputs at random: normal numbers, 0 or 1 for whole ones, one text."""
    n_values = sum(math.prod(feed.shape) for feed in feeds)
    n_rows = min(MAX_RANDOM_ROWS, max(1, MAX_RANDOM_VALUES // max(1, n_values)))
    generator = np.random.default_rng(SEED)
    return {feed.name: _draw(feed, n_rows, generator) for feed in feeds}


def check_types(inputs: Sequence[Tensor]) -> None:
    """Refuse inputs that cannot be filled from columns.

    Raises:
        RightfitError: If an input has an unknown type, or no dimension for rows, or takes a fixed
            number of rows other than one.
    """
    dtypes = set(DTYPES.values())
    unknown = [str(tensor) for tensor in inputs if tensor.dtype not in dtypes or not tensor.shape]
    if unknown or not inputs:
        raise RightfitError(
            "The inputs must be tensors of numbers or texts with a dimension for rows, but got "
            f"{unknown or 'no input'}."
        )
    fixed = {tensor.shape[0] for tensor in inputs} - {None, 1}
    if fixed:
        raise RightfitError(
            f"The file takes exactly {sorted(map(str, fixed))} rows a call, so a single row cannot "
            "be timed. Export it with a free first dimension."
        )


def find_feeds(bundle: Bundle, runtime: str) -> tuple[Feed, ...]:
    """Return how the named inputs of a bundle's ONNX graph are filled; none of a matrix."""
    if not reads_graph(bundle, runtime):
        return ()
    return tuple(map(Feed.from_dict, bundle.configuration.get("tensors", ())))


def find_form(bundle: Bundle, runtime: str) -> Form:
    """Return the form in which a bundle's model reads rows, where it has no named inputs.

    Models of a search and of a library's own file read float32.
    """
    if reads_graph(bundle, runtime):
        return "floats"
    form: Form = bundle.configuration.get("rows", "floats")
    return form


def reads_columns(bundle: Bundle, runtime: str) -> bool:
    """Tell whether a bundle's model reads columns by name in a runtime, and no matrix."""
    return bool(find_feeds(bundle, runtime)) or find_form(bundle, runtime) in ("pandas", "polars")


def make_rows(bundle: Bundle, runtime: str, rows: RowTable | None) -> Any:
    """Return rows as a bundle's model reads them in a runtime.

    Args:
        bundle: The bundle.
        runtime: The runtime.
        rows: All columns that there are; ``None``: values are drawn at random.

    Returns:
        A matrix or a frame; of a graph with named inputs, an array for each by name.

    Raises:
        RightfitError: If columns are missing, or hold other kinds of values.
    """
    feeds = find_feeds(bundle, runtime)
    if rows is None:
        if feeds:
            return draw(feeds)
        return draw([Feed("rows", "float32", (bundle.schema.n_features,), ())])["rows"]
    features = bundle.schema.features
    read = rows if rows.form == "matrix" else rows.select(features, of=bundle.model)
    if feeds:
        return fill(feeds, read)
    try:
        return read.to(find_form(bundle, runtime), features)
    except (TypeError, ValueError) as err:
        raise RightfitError(f"{bundle.model} reads numbers: {first_line(err)}") from err


def _plan(tensor: Tensor, rows: RowTable, columns: tuple[str, ...]) -> Feed:
    if not columns:  # an array of any shape
        shape = tuple(rows.content.shape[1:])
        fits = len(shape) == len(tensor.shape) - 1 and all(
            size in (None, length) for size, length in zip(tensor.shape[1:], shape, strict=True)
        )
        if not fits:
            raise RightfitError(f"The input {tensor} does not take rows of shape {shape}.")
        return Feed(tensor.name, tensor.dtype, shape, ())
    sizes, fixed_sizes = tensor.shape[1:], tensor.known_sizes
    n_columns, n_known = len(columns), math.prod(fixed_sizes)
    n_open = len(sizes) - len(fixed_sizes)  # the size of one follows from the columns
    if n_open > 1 or not n_known or n_columns % n_known or (not n_open and n_columns != n_known):
        requirement = count(n_known, "column") if n_open == 0 else "columns that fill its shape"
        raise RightfitError(
            f"The input {tensor} takes {requirement}, but the rows have {n_columns}: "
            f"{shorten(columns)}. Give those that it reads, in its order."
        )
    shape = tuple(n_columns // n_known if size is None else size for size in sizes)
    return Feed(tensor.name, tensor.dtype, shape, columns)


def _fill(feed: Feed, rows: RowTable) -> Array:
    if not feed.columns:
        return np.ascontiguousarray(rows.content, dtype=feed.dtype)
    columns = [rows.column(name) for name in feed.columns]
    if feed.dtype == TEXT:
        texts = [
            ["" if value is None else str(value) for value in column.tolist()] for column in columns
        ]
        values = np.array(texts, dtype=object).T
    else:
        values = _read_numbers(feed, columns)
    return np.ascontiguousarray(values.reshape(len(rows), *feed.shape))


def _read_numbers(feed: Feed, columns: Sequence[Array]) -> Array:
    texts = [
        name
        for name, column in zip(feed.columns, columns, strict=True)
        if column.dtype.kind not in "biuf"
    ]
    if texts:
        raise RightfitError(
            f"The input {feed.name} takes numbers ({feed.dtype}), but the columns "
            f"{texts[:SHOWN]} hold other values. Give rows in which these are numbers or null."
        )
    values = np.stack(columns, axis=1)
    is_whole = np.dtype(feed.dtype).kind in "iub"
    if is_whole and values.dtype.kind == "f" and np.isnan(values).any():
        raise RightfitError(
            f"The input {feed.name} takes whole numbers ({feed.dtype}), but the rows have gaps."
        )
    return values.astype(feed.dtype)


def _draw(feed: Feed, n_rows: int, generator: np.random.Generator) -> Array:
    shape = (n_rows, *feed.shape)
    if feed.dtype == TEXT:
        return np.full(shape, "a", dtype=object)
    if np.dtype(feed.dtype).kind in "iub":
        return generator.integers(0, 2, shape).astype(feed.dtype)
    return generator.standard_normal(shape, dtype=np.float32).astype(feed.dtype)


def _read_tensor(node: Any) -> Tensor:
    sizes = tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)
    return Tensor(node.name, DTYPES.get(node.type, node.type), sizes)
