"""ONNX files as onnxruntime sees them: their inputs and outputs, opened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        return None if None in self.shape[1:] else math.prod(self.known_sizes)

    @property
    def known_sizes(self) -> tuple[int, ...]:
        """The sizes of one row that the file says."""
        return tuple(size for size in self.shape[1:] if size is not None)

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} [{sizes}]"


def list_inputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's inputs in their order."""
    return tuple(_read_tensor(found) for found in session.get_inputs())


def list_outputs(session: Any) -> tuple[Tensor, ...]:
    """Return a session's outputs in their order."""
    return tuple(_read_tensor(found) for found in session.get_outputs())


def _read_tensor(found: Any) -> Tensor:
    sizes = tuple(size if isinstance(size, int) and size >= 0 else None for size in found.shape)
    return Tensor(found.name, DTYPES.get(found.type, found.type), sizes)
