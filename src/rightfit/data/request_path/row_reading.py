"""Rows of a table as requests are read, and as a file that requests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.data.request_path.feeding import (
    TRUTH,
    TensorInput,
    check_kinds,
    check_sizes,
    read_numbers,
    write_text,
)
from rightfit.data.request_path.number_texts import parse_numbers
from rightfit.data.request_path.raw_inputs import IMAGE, TEXTS


def write_texts(column: pl.Series) -> pl.Series:
    """Write categories as texts, numbers as requests do: see :func:`write_text`."""
    texts = column.cast(pl.String)  # of floats the fewest digits, of Float32 too
    if not column.dtype.is_float():
        return texts
    return texts.map_elements(lambda text: write_text(float(text)), return_dtype=pl.String)


def read_values(column: pl.Series, tensor: TensorInput) -> pl.Series:
    """Return a column of new rows as requests are read: numbers as Float64, categories as texts.

    Args:
        column: Raw values.
        tensor: The tensor that holds them.

    Raises:
        ValueError: As :func:`rightfit.data.request_path.feeding.make_feed`, if the tensor cannot.
    """
    index = tensor.columns.index(column.name)
    single = replace(tensor, columns=(column.name,), limits=tensor.limits[index : index + 1])
    if column.dtype == pl.String and (decimal := tensor.decimals.get(column.name)):
        if (numbers := parse_numbers(column, decimal)) is None:
            check_kinds([read_numbers(column.to_list(), decimal)], single)
        else:
            column = numbers
    is_number = column.dtype.is_numeric()
    if tensor.name == TEXTS:
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            check_kinds([column.to_list()], single)
        texts = write_texts(column)
        return texts.replace(TRUTH) if is_number and column.name in tensor.booleans else texts
    if not is_number and column.dtype != pl.Boolean:
        values = column.to_list()
        check_kinds([read_numbers(values, ".")], single)  # among texts, name one that is no number
        check_kinds([values], single)
    numbers = column.cast(pl.Float64)
    check_sizes(numbers.to_numpy()[None, :], single)
    return numbers.fill_nan(None)


def read_requests(rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> pl.DataFrame:
    """Return the columns that tensors hold, as requests are read; see :func:`read_values`."""
    return pl.DataFrame(
        [read_values(rows[name], tensor) for tensor in inputs for name in tensor.columns]
    )


def make_raw_rows(rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> npt.NDArray[np.void]:
    """Put the raw columns that an encoder reads into one array.

    Returns:
        Array of shape (n_rows,) with a field per column: float64 (NaN: missing), text (empty:
        missing), the bytes of an image, or an image file. A column that is read as a text and as a
        number is a text.
    """
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for tensor in inputs:
        for name in tensor.columns:
            columns[name] = _to_array(rows[name], tensor)
    fields = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    table = np.empty(rows.height, dtype=fields)
    for name, values in columns.items():
        table[name] = values
    return table


def write_raw_rows(path: Path, rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> None:
    """Write :func:`make_raw_rows` into a .npy, whose names of columns may hold any letter."""
    with path.open("wb") as file:
        # numpy's own choice of a version warns of names beyond Latin-1, such as '€'
        np.lib.format.write_array(
            file, make_raw_rows(rows, inputs), version=(3, 0), allow_pickle=False
        )


def _to_array(column: pl.Series, tensor: TensorInput) -> npt.NDArray[np.generic]:
    if tensor.image_shape is not None:
        # numpy cuts zeros off the end, and no PNG or JPEG needs them
        return np.array(column.to_list(), dtype=np.bytes_)
    if tensor.name == IMAGE:
        content = b"".join(column.to_list())
        return np.frombuffer(content, dtype=np.uint8).reshape(len(column), -1)
    if tensor.name == TEXTS:
        texts = np.array(write_texts(column).fill_null("").to_list(), dtype=np.str_)
        return texts if texts.dtype.itemsize else texts.astype("U1")
    return column.cast(pl.Float64).to_numpy()
