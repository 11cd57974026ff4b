"""Answer with an ONNX file as it is: its own inputs, its own outputs, nothing renamed.

A measuring process hands out rows of one float32 matrix. The columns of that matrix are the inputs'
values side by side, in the order of the inputs; a text is stored as its position in a vocabulary.
What a call adds to the session's own time is taking its columns, and what any server would do as
well: another number type, and texts as objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.family import Rows

ONNX_RUNTIME = "onnxruntime"
OPEN_FILE = f"{__name__}:open_file"
TEXT = "str"
DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": TEXT,
}
"""numpy's name of each type of input that can be fed."""


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
        sizes = self.shape[1:]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} [{sizes}]"


@dataclass(frozen=True)
class Feed:
    """How an input is filled from the columns of a matrix.

    Args:
        name: Name of the input.
        dtype: As of :class:`Tensor`.
        shape: Sizes of one row.
        vocabulary: Texts by their position; empty for numbers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    vocabulary: tuple[str, ...] = ()

    @property
    def n_values(self) -> int:
        """Columns it takes."""
        return math.prod(self.shape)


def open_session(path: Path, *, n_threads: int, optimizes: bool = True) -> Any:
    """Open an ONNX file with onnxruntime.

    Args:
        path: The file.
        n_threads: Threads a call may use.
        optimizes: Whether the graph is optimised, for which parts of it are computed; else nothing
            of it runs before a call.

    Raises:
        ValueError: If it is no ONNX model, or one that this onnxruntime cannot run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # what is wrong is raised
    if not optimizes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as err:  # onnxruntime raises a dozen kinds of its own
        raise ValueError(f"onnxruntime cannot open {path}: {one_line(err)}") from err


def list_inputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's inputs in their order."""
    return tuple(_read_tensor(found) for found in session.get_inputs())


def list_outputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's outputs in their order."""
    return tuple(_read_tensor(found) for found in session.get_outputs())


def make_call(
    session: Any, feeds: Sequence[Feed], outputs: Sequence[str] | None
) -> Callable[[Rows], list[Any]]:
    """Return a function from rows of the matrix, shape (n_rows, n_columns), to the outputs.

    Args:
        session: An open session.
        feeds: Its inputs, in the order of the matrix' columns.
        outputs: Names of the outputs wanted; ``None``: all.
    """
    run = session.run
    wanted = None if outputs is None else list(outputs)
    if len(feeds) == 1 and feeds[0].dtype == "float32" and len(feeds[0].shape) == 1:
        name = feeds[0].name

        def call_with_matrix(rows: Rows) -> list[Any]:
            answers: list[Any] = run(wanted, {name: rows})
            return answers

        return call_with_matrix
    fillers = _make_fillers(feeds)

    def call(rows: Rows) -> list[Any]:
        answers: list[Any] = run(wanted, {name: fill(rows) for name, fill in fillers})
        return answers

    return call


def open_file(
    path: str,
    *,
    feeds: Sequence[Mapping[str, Any]],
    outputs: Sequence[str] | None,
    n_threads: int,
    device: str,  # noqa: ARG001 - read by what measures
) -> Callable[[], Callable[[Rows], list[Any]]]:
    """Return what opens an ONNX file, for a measuring process.

    Args:
        path: The file.
        feeds: Fields of each :class:`Feed`, as they come out of JSON.
        outputs: As of :func:`make_call`.
        n_threads: Threads a call may use.
        device: ``cpu``.
    """
    read = [Feed(**{**feed, "shape": tuple(feed["shape"])}) for feed in feeds]
    return lambda: make_call(open_session(Path(path), n_threads=n_threads), read, outputs)


def one_line(err: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__


def _read_tensor(found: Any) -> Tensor:
    sizes = tuple(size if isinstance(size, int) and size >= 0 else None for size in found.shape)
    return Tensor(found.name, DTYPES.get(found.type, found.type), sizes)


def _make_fillers(feeds: Sequence[Feed]) -> list[tuple[str, Callable[[Rows], npt.NDArray[Any]]]]:
    fillers, start = [], 0
    for feed in feeds:
        columns = slice(start, start + feed.n_values)
        fillers.append((feed.name, _make_filler(feed, columns)))
        start += feed.n_values
    return fillers


def _make_filler(feed: Feed, columns: slice) -> Callable[[Rows], npt.NDArray[Any]]:
    shape = feed.shape
    if feed.dtype == TEXT:
        texts = np.array(feed.vocabulary, dtype=object)
        return lambda rows: texts[rows[:, columns].astype(np.intp)].reshape(len(rows), *shape)
    dtype = np.dtype(feed.dtype)
    return lambda rows: rows[:, columns].astype(dtype, copy=False).reshape(len(rows), *shape)
