"""Hash content so that equal data have equal hashes on every machine and in every version."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl


def hash_frame(frame: pl.DataFrame) -> str:
    """Hash names, kinds, order and values of a frame's columns.

    Neither how the frame is chunked in memory nor how a library hashes plays a part.

    Args:
        frame: Columns of numbers, texts, byte strings, truth values or times.

    Returns:
        Sha256 in hexadecimal digits.
    """
    digest = hashlib.sha256(f"{frame.height} rows\n".encode())
    for column in frame:
        digest.update(f"{column.name!r} {column.dtype}\n".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        _update_with_values(digest, column)
    return digest.hexdigest()


def _update_with_values(digest: Any, column: pl.Series) -> None:
    if column.dtype in (pl.String, pl.Binary):
        # each distinct value once, then who has which: long texts repeat
        values = column.unique().drop_nulls().sort()
        position = column.replace_strict(values, range(values.len()), return_dtype=pl.UInt32)
        for value in values.to_list():
            raw = value.encode() if isinstance(value, str) else value
            digest.update(len(raw).to_bytes(8, "little") + raw)
        column = position
    numbers = column.to_physical()
    if numbers.dtype == pl.Boolean:
        numbers = numbers.cast(pl.Int32)
    array = numbers.fill_null(0).to_numpy()
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
