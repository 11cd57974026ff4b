"""Fill the inputs of an ONNX file from a table, or with random values where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.families.family import Rows
from rightfit.families.imported.onnx_call import DTYPES, TEXT, Feed, Tensor, one_line
from rightfit.spelling import find_nearest

MAX_RANDOM_ROWS = 1_024
MAX_RANDOM_VALUES = 2**24  # of all random rows together: 64 MiB
SHOWN = 10


@dataclass(frozen=True)
class FedRows:
    """Rows for an ONNX file.

    Args:
        matrix: Values of all inputs side by side, shape (n_rows, n_columns).
        feeds: The inputs that they belong to, in order.
    """

    matrix: Rows
    feeds: tuple[Feed, ...]


def feed_table(inputs: Sequence[Tensor], table: pl.DataFrame) -> FedRows:
    """Take the inputs' values from a table.

    Where every input is named like a column, each takes that column. Otherwise the file must have
    one input, which takes all columns in their order.

    Raises:
        ValueError: If names, kinds or numbers of columns do not fit, or the table is empty.
    """
    check_types(inputs)
    if table.is_empty():
        raise ValueError("The table has no rows.")
    named = [tensor.name for tensor in inputs if tensor.name in table.columns]
    if len(named) == len(inputs):
        parts = [_fill(tensor, table.select(tensor.name)) for tensor in inputs]
    elif len(inputs) == 1:
        parts = [_fill(inputs[0], table)]
    else:
        raise ValueError(_describe_missing(inputs, table.columns))
    return FedRows(
        np.ascontiguousarray(np.hstack([values for values, _ in parts])),
        tuple(feed for _, feed in parts),
    )


def feed_random(inputs: Sequence[Tensor], *, seed: int) -> FedRows:
    """Fill the inputs at random: normal numbers, 0 or 1 for whole ones, one text.

    Raises:
        ValueError: If an input does not say how many values it takes.
    """
    check_types(inputs)
    unknown = [str(tensor) for tensor in inputs if tensor.n_values is None]
    if unknown:
        raise ValueError(
            f"The file does not say how many values a row of {unknown} has; give it rows: "
            "--rows table.parquet"
        )
    feeds = tuple(_make_feed(tensor, tensor.shape[1:], ("a",)) for tensor in inputs)
    n_columns = sum(feed.n_values for feed in feeds)
    n_rows = min(MAX_RANDOM_ROWS, max(1, MAX_RANDOM_VALUES // max(1, n_columns)))
    generator = np.random.default_rng(seed)
    parts = [_draw(feed, n_rows, generator) for feed in feeds]
    return FedRows(np.ascontiguousarray(np.hstack(parts)), feeds)


def check_types(inputs: Sequence[Tensor]) -> None:
    """Refuse inputs that cannot be filled from columns.

    Raises:
        ValueError: If an input has an unknown type, or no dimension for rows.
    """
    known = set(DTYPES.values())
    unknown = [str(tensor) for tensor in inputs if tensor.dtype not in known or not tensor.shape]
    if unknown or not inputs:
        raise ValueError(
            f"The inputs must be tensors of numbers or texts with a dimension for rows, but got "
            f"{unknown or 'no input'}."
        )


def _make_feed(
    tensor: Tensor, sizes: Sequence[int | None], vocabulary: tuple[str, ...] = ()
) -> Feed:
    shape = tuple(size for size in sizes if size is not None)
    return Feed(tensor.name, tensor.dtype, shape, vocabulary if tensor.dtype == TEXT else ())


def _draw(feed: Feed, n_rows: int, generator: np.random.Generator) -> Rows:
    shape = (n_rows, feed.n_values)
    if feed.dtype == TEXT:
        return np.zeros(shape, dtype=np.float32)
    if np.dtype(feed.dtype).kind in "iub":
        return generator.integers(0, 2, shape).astype(np.float32)
    return generator.standard_normal(shape, dtype=np.float32)


def _fill(tensor: Tensor, columns: pl.DataFrame) -> tuple[Rows, Feed]:
    sizes = _fit_sizes(tensor, columns)
    if tensor.dtype == TEXT:
        try:
            texts = columns.select(pl.all().cast(pl.String).fill_null("")).to_numpy()
        except pl.exceptions.PolarsError as err:  # lists, structs, bytes
            raise ValueError(f"The input {tensor} takes texts: {one_line(err)}") from err
        vocabulary, codes = np.unique(texts.astype(str), return_inverse=True)
        matrix = codes.reshape(texts.shape).astype(np.float32)
        return matrix, _make_feed(tensor, sizes, tuple(vocabulary.tolist()))
    return _read_numbers(tensor, columns), _make_feed(tensor, sizes)


def _fit_sizes(tensor: Tensor, columns: pl.DataFrame) -> tuple[int, ...]:
    """Return the sizes of one row, an unknown one computed from the columns."""
    sizes = tensor.shape[1:]
    known = [size for size in sizes if size is not None]
    n_columns, n_known = columns.width, int(np.prod(known, dtype=np.int64))
    n_open = len(sizes) - len(known)
    if n_open == 0 and n_columns == n_known:
        return tuple(known)
    if n_open == 1 and n_known and n_columns % n_known == 0:
        return tuple(n_columns // n_known if size is None else size for size in sizes)
    wanted = f"{n_known} columns" if n_open == 0 else "columns that fill its shape"
    raise ValueError(
        f"The input {tensor} takes {wanted}, but the table has {n_columns}: "
        f"{columns.columns[:SHOWN]}{' …' if n_columns > SHOWN else ''}. Name those that it "
        "reads, in its order: --columns a,b,c"
    )


def _read_numbers(tensor: Tensor, columns: pl.DataFrame) -> npt.NDArray[np.float32]:
    texts = [
        name
        for name, dtype in columns.schema.items()
        if not (dtype.is_numeric() or dtype == pl.Boolean)
    ]
    if texts:
        raise ValueError(
            f"The input {tensor} takes numbers, but the columns {texts[:SHOWN]} are "
            f"{sorted({str(columns.schema[name]) for name in texts})}."
        )
    numbers = columns.select(pl.all().cast(pl.Float32))
    is_whole = np.dtype(tensor.dtype).kind in "iub"
    if is_whole and any(numbers.null_count().row(0)):
        raise ValueError(f"The input {tensor} takes whole numbers, but the table has gaps.")
    return np.ascontiguousarray(numbers.fill_null(float("nan")).to_numpy(), dtype=np.float32)


def _describe_missing(inputs: Sequence[Tensor], columns: Sequence[str]) -> str:
    missing = [tensor.name for tensor in inputs if tensor.name not in columns]
    near = find_nearest(missing[0], columns)
    hint = f" (did you mean {near!r}?)" if near else ""
    return (
        f"The file's inputs {missing[:SHOWN]} are no columns of the table{hint}; it has "
        f"{list(columns)[:SHOWN]}{' …' if len(columns) > SHOWN else ''}."
    )
