"""Raw rows as the array that measuring processes make requests of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.request_path.raw_inputs import IMAGE, TEXTS
from rightfit.request_path.usage import TensorInput


def make_raw_rows(rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> npt.NDArray[np.void]:
    """Put the raw columns that an encoder reads into one array.

    Returns:
        Array of shape (n_rows,) with a field per column: float64 (NaN: missing), text (empty:
        missing), the bytes of an image, or an image file. A column that is read as a text and as a
        number is a text.
    """
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for one in inputs:
        for name in one.columns:
            columns[name] = _to_array(rows[name], one)
    fields = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    table = np.empty(rows.height, dtype=fields)
    for name, values in columns.items():
        table[name] = values
    return table


def _to_array(column: pl.Series, one: TensorInput) -> npt.NDArray[np.generic]:
    if one.image_shape is not None:  # numpy cuts zeros off the end, and no PNG or JPEG needs them
        return np.array(column.to_list(), dtype=np.bytes_)
    if one.name == IMAGE:
        content = b"".join(column.to_list())
        return np.frombuffer(content, dtype=np.uint8).reshape(len(column), -1)
    if one.name == TEXTS:
        texts = np.array(column.cast(pl.String).fill_null("").to_list(), dtype=np.str_)
        return texts if texts.dtype.itemsize else texts.astype("U1")
    return column.cast(pl.Float64).to_numpy()
