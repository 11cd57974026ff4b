"""Check that an exported folder is what its hashes say, before anything in it is opened.

The hashes show that the files are what was exported; they say nothing about who exported them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path

HASHES = "SHA256SUMS"
AGAIN = "Export it again with: rightfit export --force"
BUILD_FILES = ("Dockerfile", "requirements.txt")  # their work is done before a model is opened
MAX_HASHES_BYTES = 2**20
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
EXTERNAL = "external"
SIZED = 2  # encoding of fields that say how many bytes they have
# Fields of ONNX's messages (onnx.proto) that hold tensors, by the kind of message that they hold.
TENSOR_PARTS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: EXTERNAL},
}


def check_files(folder: Path, *, needed: Sequence[str]) -> set[str]:
    """Compare an exported folder with its ``SHA256SUMS``.

    Args:
        folder: The folder.
        needed: Files that are to be opened, which must be listed.

    Returns:
        The names that are listed, relative to the folder.

    Raises:
        ValueError: If a listed file is missing, lies elsewhere or does not fit its hash; if a
            needed one is not listed; or if there are no such hashes.
        OSError: If a file cannot be read.
    """
    if not _is_inside(folder, HASHES):
        raise ValueError(
            f"{folder} is no exported model: it has no {HASHES}. Write one with: rightfit export"
        )
    with (folder / HASHES).open("rb") as file:
        lines = file.read(MAX_HASHES_BYTES).decode(errors="replace").splitlines()
    hashes: dict[str, str] = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        if name in hashes or not all(PLAIN_NAME.fullmatch(part) for part in name.split("/")):
            shown_line = repr(line[:200])
            raise ValueError(
                f"{folder / HASHES} has a line that is none of an export: {shown_line}."
            )
        hashes[name] = digest
    unlisted = [name for name in needed if name not in hashes]
    wrong = [
        name
        for name, digest in hashes.items()
        if name not in BUILD_FILES
        and not (_is_inside(folder, name) and _hash(folder / name) == digest)
    ]
    if unlisted or wrong:
        file_names = ", ".join([*unlisted, *wrong])
        raise ValueError(f"{folder} is not as it was exported: {file_names}. {AGAIN}")
    return set(hashes)


def check_graph(path: Path) -> None:
    """Refuse an ONNX model that keeps weights in other files: no hash was compared for those.

    Raises:
        ValueError: If it does, or is no ONNX model.
        OSError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            names = list_external_files(file, path)
    except ValueError as err:
        raise ValueError(f"{err} {AGAIN}") from err
    if names:
        raise ValueError(
            f"{path} keeps weights in other files, but an exported model is one file. {AGAIN}"
        )


def list_external_files(file: BufferedReader, path: Path) -> list[str]:
    """Return the names of the files that hold weights of an ONNX model, none for most.

    Args:
        file: The model, opened.
        path: Its path, for messages.

    Raises:
        ValueError: If it is no ONNX model.
    """
    if not os.fstat(file.fileno()).st_size:
        raise ValueError(f"{path} is no ONNX model: it is empty.")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"location") < 0:  # the key of such a file's name, in every encoding
            return []
        try:
            return sorted(set(_find_locations(content, 0, len(content), "model")))
        except (IndexError, RecursionError) as err:
            raise ValueError(f"{path} is no ONNX model.") from err


def _is_inside(folder: Path, name: str) -> bool:
    """Tell whether a file lies in the folder itself: no link leads elsewhere, no pipe blocks."""
    path = folder / name
    return path.is_file() and path.resolve() == folder.resolve() / name


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_locations(content: mmap.mmap, position: int, end: int, kind: str) -> Iterator[str]:
    """Walk a protobuf message and yield the locations in ``TensorProto.external_data``."""
    for field, start, stop in _list_parts(content, position, end):
        part = TENSOR_PARTS[kind].get(field)
        if part == EXTERNAL:  # a key and a value
            entry = {number: content[a:b] for number, a, b in _list_parts(content, start, stop)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode(errors="replace")
        elif part is not None:
            yield from _find_locations(content, start, stop, part)


def _list_parts(content: mmap.mmap, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of a message's fields that are bytes, a text or a message."""
    for field, wire, _, start, stop in list_fields(content, position, end):
        if wire == SIZED:
            yield field, start, stop


def list_fields(
    content: mmap.mmap | memoryview, position: int, end: int
) -> Iterator[tuple[int, int, int, int, int]]:
    """Walk a protobuf message.

    Yields:
        Of each field its number, its kind of encoding, and where it begins, its value begins, and
        both end.

    Raises:
        IndexError: If it is none.
    """
    while position < end:
        head = position
        key, start = _read_varint(content, position)
        field, wire = (key & 0xFFFFFFFF) >> 3, key & 7
        if wire == 0:
            _, position = _read_varint(content, start)
        elif wire in (1, 5):
            position = start + (8 if wire == 1 else 4)
        elif wire == SIZED:
            n_bytes, start = _read_varint(content, start)
            position = start + n_bytes
            if position > end:
                raise IndexError("a part that is longer than the whole")
        else:
            raise IndexError("a kind of field that ONNX does not have")
        yield field, wire, head, start, position


def _read_varint(content: mmap.mmap | memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # the last one
            return value, position
    raise IndexError("a number of more than 64 bits")
