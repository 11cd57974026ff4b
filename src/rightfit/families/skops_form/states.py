"""Read what a skops file says of its objects, without building them."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

State = Mapping[str, Any]


class Arrays:
    """The arrays of one file, which together may take so much and no more.

    Args:
        archive: The opened file.
        allowed_bytes: What all arrays together may take.
    """

    def __init__(self, archive: zipfile.ZipFile, allowed_bytes: int) -> None:
        self._archive = archive
        self._allowed_bytes = allowed_bytes
        self._n_bytes = 0

    def check_header(self, name: str) -> None:
        """Check that an array is as long as its header says: numpy reserves what that claims.

        Raises:
            ValueError: If it is not, or the arrays together take too much.
        """
        with self._archive.open(name) as member:
            shape, dtype = _read_header(member)
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes + member.tell() != self._archive.getinfo(name).file_size or dtype.hasobject:
                raise ValueError(f"the array {name[:80]} is not as long as it says")
        self._n_bytes += n_bytes  # one member may be read for many arrays
        if self._n_bytes > self._allowed_bytes:
            raise ValueError(f"its arrays take more than the {self._allowed_bytes} bytes allowed")

    def are_same(self, name: str, other: str) -> bool:
        """Tell whether two members hold the same bytes."""
        return name == other or self._archive.read(name) == self._archive.read(other)

    def count(self, state: State) -> int:
        """Return the length of an array of one dimension; texts are stored one by one."""
        if state["__loader__"] == "NdArrayNode" and state["type"] == "json":
            sizes = [read_int(size) for size in state["shape"]["content"]]
            if sizes != [len(state["content"])]:
                raise ValueError("an array is not as long as it says")
            return sizes[0]
        shape = self.read(state).shape
        if len(shape) != 1:
            raise ValueError(f"an array has the shape {shape} instead of one dimension")
        return int(shape[0])

    def read(self, state: State) -> Any:
        """Read an array whose header was checked."""
        if state["__loader__"] != "NdArrayNode" or state["type"] != "numpy":
            raise ValueError("an array is not stored as one")
        return np.load(io.BytesIO(self._archive.read(state["file"])), allow_pickle=False)


def walk(value: Any) -> Iterator[State]:
    """Yield all states of a schema, owners before what they own; without recursion."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def are_alike(one: Any, other: Any, arrays: Arrays) -> bool:
    """Compare two states but for the identities inside, which are compared in their own turn."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            name == "__id__"
            or (name == "file" and arrays.are_same(value, other[name]))
            or are_alike(value, other[name], arrays)
            for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            are_alike(part, twin, arrays) for part, twin in zip(one, other, strict=True)
        )
    return type(one) is type(other) and bool(one == other)


def items(state: State) -> State:
    """Return the entries of a stored dictionary, or of an object's attributes."""
    content = cast(State, state["content"])
    if state["__loader__"] != "DictNode" or len(state["key_types"]["content"]) != len(content):
        raise ValueError("attributes are not stored as a whole dictionary")
    if any(kind["__class__"] != "str" for kind in state["key_types"]["content"]):
        raise ValueError("names of attributes are not stored as text")
    return content


def attributes(state: State) -> State:
    """Return the attributes of a stored object; none if it stores none."""
    content = state.get("content")
    if not isinstance(content, dict) or content.get("__loader__") != "DictNode":
        return {}
    return items(content)


def read_json(state: State) -> Any:
    """Return a plain value; a state that is none comes back as it is."""
    if state["__loader__"] != "JsonNode":
        return state
    return json.loads(state["content"])


def read_int(state: State) -> int:
    """Return a whole number."""
    value = read_json(state)
    if type(value) is not int:
        raise ValueError("a number is not stored as one")
    return value


def _read_header(member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"an array has the version {version}")
    shape, _, dtype = read[version](member)
    return shape, dtype
