"""Rows on disk, and cut into what one call gets: a matrix, a frame, named tensors, or a request.

How a model reads its rows decides the kind of file:

- ``.npy``: a matrix, shape (n_rows, ...); or raw rows, one dimension with a field per raw column
  (float64, NaN: missing; text, empty: missing; the bytes of an image or an image file), which
  become requests of Python values. Neither needs pickle, and both can be mapped into memory.
- ``.npz``: an array for each named input of an ONNX graph, rows first.
- ``.pickle``: a frame of pandas or polars, or a matrix of Python objects, as the caller's own
  process wrote it. Its name holds the SHA-256 of its content, which is checked before it is opened.
"""

from __future__ import annotations

import hashlib
import mmap
import pickle
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.feeding import Values

Matrix = npt.NDArray[Any]


class Frame(Protocol):
    """Rows that can be cut and taken: a frame of pandas or polars, or :class:`Tensors`."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Return some rows."""


Pool = Matrix | Frame
Input = Matrix | Frame | dict[str, Values]  # of one call


class Tensors:
    """Named inputs of an ONNX graph, an array each, all with the same number of rows.

    >>> rows = Tensors({"age": np.array([[1.0], [2.0]]), "city": np.array([["a"], ["b"]])})
    >>> len(rows), rows[1:2]["age"].tolist()
    (2, [[2.0]])
    """

    def __init__(self, arrays: dict[str, Matrix]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, rows: slice) -> dict[str, Matrix]:
        """Return some rows as the feed of a session."""
        return {name: values[rows] for name, values in self.arrays.items()}


def save_rows(rows: Pool, folder: Path, name: str) -> Path:
    """Write rows for a measured process into a folder that only this user can read.

    Returns:
        The file; its suffix says which kind it is.
    """
    if isinstance(rows, Tensors):
        path = folder / f"{name}.npz"
        arrays: dict[str, Any] = {
            key: array.astype(np.str_) if array.dtype.hasobject else array
            for key, array in rows.arrays.items()
        }
        np.savez(path, **arrays)
        return path
    if isinstance(rows, np.ndarray) and not rows.dtype.hasobject:
        path = folder / f"{name}.npy"
        np.save(path, rows)
        return path
    content = pickle.dumps(rows, protocol=pickle.HIGHEST_PROTOCOL)
    path = folder / f"{name}.{hashlib.sha256(content).hexdigest()}.pickle"
    path.write_bytes(content)
    return path


def load_rows(file: str) -> Pool:
    """Read what :func:`save_rows` wrote; a matrix is mapped into memory.

    Raises:
        ValueError: If a pickle is not the one that was written.
    """
    path = Path(file)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return Tensors(
                {  # onnxruntime takes texts as objects
                    name: array.astype(object) if array.dtype.kind == "U" else array
                    for name, array in arrays.items()
                }
            )
    if path.suffix != ".pickle":
        mapped: Matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    # Mapped, not read: freed memory would be used by the model and miss in what it takes.
    with (
        path.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        if hashlib.sha256(content).hexdigest() != path.suffixes[-2][1:]:
            raise ValueError(f"{path} was changed after it was written, so it is not opened.")
        rows: Pool = pickle.loads(content)  # noqa: S301 - this user's own process wrote it
    return rows


def take_first(rows: Pool, n_rows: int) -> Pool:
    """Return the first rows, over again where there are fewer; of a matrix in memory of their own.

    >>> take_first(np.array([[1], [2]]), 3).tolist()
    [[1], [2], [1]]
    """
    if isinstance(rows, np.ndarray):
        return _resize(rows, n_rows)
    if isinstance(rows, Tensors):
        return Tensors({name: _resize(array, n_rows) for name, array in rows.arrays.items()})
    if len(rows) >= n_rows:
        first: Pool = rows[:n_rows]
        return first
    frame: Any = rows
    chosen = np.resize(np.arange(len(rows)), n_rows)
    first_rows: Pool = frame.take(chosen) if hasattr(frame, "take") else frame[chosen]  # of polars
    return first_rows


def cut_input(rows: Pool, start: int, stop: int) -> Input:
    """Return some rows as the input of one call.

    Raw rows become a request. That of one row holds Python values, as they come out of JSON; one of
    many rows is a record batch, whose numbers and images are arrays, as they come out of a columnar
    file.

    Args:
        rows: All rows.
        start: First row.
        stop: Row after the last.

    >>> rows = np.array([(1.5, "a"), (np.nan, "")], dtype=[("x", "f8"), ("y", "U1")])
    >>> cut_input(rows, 1, 2)
    {'x': [None], 'y': [None]}
    """
    if not isinstance(rows, np.ndarray):
        return copy_input(rows[start:stop])  # a part of a frame is scattered over its columns
    if rows.dtype.names is None:
        return rows[start:stop]
    request: dict[str, Values] = {}
    for name in rows.dtype.names:
        values = rows[name][start:stop]
        is_listed = stop - start == 1 or values.dtype.kind in "US"
        request[name] = _list_values(values) if is_listed else np.ascontiguousarray(values)
    return request


def cut_singles(rows: Pool, n_rows: int) -> list[Input]:
    """Return the first rows as inputs of one row each.

    >>> rows = np.array([(1.5, "a"), (np.nan, "")], dtype=[("x", "f8"), ("y", "U1")])
    >>> cut_singles(rows, 2) == [cut_input(rows, 0, 1), cut_input(rows, 1, 2)]
    True
    """
    if not isinstance(rows, np.ndarray) or rows.dtype.names is None:
        return [cut_input(rows, i, i + 1) for i in range(n_rows)]
    columns = [(name, _list_values(rows[name][:n_rows])) for name in rows.dtype.names]
    return [{name: [values[i]] for name, values in columns} for i in range(n_rows)]


def copy_input(model_input: Input) -> Input:
    """Return a copy that shares no memory with the original."""
    if isinstance(model_input, dict):
        return {name: copy(values) for name, values in model_input.items()}
    return deepcopy(model_input)


def _resize(rows: Matrix, n_rows: int) -> Matrix:
    whole = len(rows) >= n_rows
    return np.array(rows[:n_rows]) if whole else np.resize(rows, (n_rows, *rows.shape[1:]))


def _list_values(values: Matrix) -> list[Any]:
    if values.ndim > 1:
        return [image.tobytes() for image in values]
    if values.dtype.kind == "U":
        return [text or None for text in values.tolist()]
    return [None if number != number else number for number in values.tolist()]
