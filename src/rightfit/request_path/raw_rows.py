"""Raw rows as an array on disk, and as what a server gets: a request of Python values.

The array has one dimension and a field per raw column: float64 (NaN: missing), text (empty:
missing), the bytes of an image or an image file. It needs no pickle and can be mapped into memory.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.request_path.usage import Values

Pool = npt.NDArray[Any]  # encoded rows, shape (n_rows, n_features), or raw ones, shape (n_rows,)
Input = npt.NDArray[Any] | dict[str, Values]  # of one call


def cut_input(rows: Pool, start: int, stop: int) -> Input:
    """Return some rows as the input of one call: a part of the matrix, or a request."""
    return rows[start:stop] if rows.dtype.names is None else cut_request(rows, start, stop)


def cut_singles(rows: Pool, n_rows: int) -> list[Input]:
    """Return the first rows as inputs of one row each.

    >>> rows = np.array([(1.5, "a"), (np.nan, "")], dtype=[("x", "f8"), ("y", "U1")])
    >>> cut_singles(rows, 2) == [cut_input(rows, 0, 1), cut_input(rows, 1, 2)]
    True
    """
    if rows.dtype.names is None:
        return [cut_input(rows, i, i + 1) for i in range(n_rows)]
    columns = [(name, _list_values(rows[name][:n_rows])) for name in rows.dtype.names]
    return [{name: [values[i]] for name, values in columns} for i in range(n_rows)]


def copy_input(one: Input) -> Input:
    """Return a copy that shares no memory with the original."""
    if isinstance(one, dict):
        return {name: copy(values) for name, values in one.items()}
    return one.copy()


def cut_request(rows: npt.NDArray[Any], start: int, stop: int) -> dict[str, Values]:
    """Return some raw rows as a request.

    A request of one row holds Python values, as they come out of JSON; one of many rows is a record
    batch, whose numbers and images are arrays, as they come out of a columnar file.

    Args:
        rows: Array of raw rows, shape (n_rows,).
        start: First row.
        stop: Row after the last.

    >>> rows = np.array([(1.5, "a"), (np.nan, "")], dtype=[("x", "f8"), ("y", "U1")])
    >>> cut_request(rows, 1, 2)
    {'x': [None], 'y': [None]}
    """
    make = _list_values if stop - start == 1 else _copy_values
    return {name: make(rows[name][start:stop]) for name in rows.dtype.names or ()}


def _list_values(values: npt.NDArray[Any]) -> list[Any]:
    if values.ndim > 1:
        return [image.tobytes() for image in values]
    if values.dtype.kind == "U":
        return [text or None for text in values.tolist()]
    return [None if number != number else number for number in values.tolist()]


def _copy_values(values: npt.NDArray[Any]) -> Values:
    return _list_values(values) if values.dtype.kind in "US" else np.ascontiguousarray(values)
