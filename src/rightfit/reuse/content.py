"""Hashes of what a step depends on: parameters, raw tables, code, libraries and machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro.io.core import VersionNotFoundError
from pydantic import BaseModel

from rightfit.reuse.records import FileRecord, RecordStore

N_DIGITS = 24  # of the sha256
_BLOCK_BYTES = 2**20
_LIBRARY = Path(__file__).parents[1]


def hash_content(content: object) -> str:
    """Hash plain JSON content and Pydantic models; the order of keys plays no part.

    >>> hash_content({"a": 1, "b": [2]}) == hash_content({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, default=_to_json)
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]


def hash_library() -> str:
    """Hash all files of this library: whatever is changed in it, nothing is taken for unchanged."""
    digest = hashlib.sha256()
    for path in sorted(_LIBRARY.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(_LIBRARY).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:N_DIGITS]


def hash_source(dataset: AbstractDataset[Any, Any] | None, store: RecordStore) -> str | None:
    """Hash the local files behind a catalog entry, and how the entry reads them.

    A file whose size and time of change are those of the last look is not read again.

    Returns:
        ``None`` for a source that is no local file, such as a database: nothing tells whether it
        has changed.
    """
    place = _find_place(dataset)
    if place is None or not place.exists():
        return None
    if place.is_file():
        return hash_content([str(dataset), [hash_file(place, store)]])
    files = {  # a file's folder may be its class
        path.relative_to(place).as_posix(): hash_file(path, store) for path in _list_files(place)
    }
    return hash_content([str(dataset), files])


def _find_place(dataset: AbstractDataset[Any, Any] | None) -> Path | None:
    if getattr(dataset, "_protocol", "file") != "file":
        return None
    if getattr(dataset, "_version", None) is not None:
        try:
            return Path(str(dataset._get_load_path()))  # type: ignore[union-attr]
        except VersionNotFoundError:
            return None  # the node that reads it will say so
    place = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    return Path(str(place)) if place is not None else None


def _list_files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def hash_file(path: Path, store: RecordStore) -> str:
    """Hash a file; one whose size and time of change are those of the last look is not read."""
    status = path.stat()
    known = store.read_file(path)
    if known is not None and (known.n_bytes, known.changed_ns) == (
        status.st_size,
        status.st_mtime_ns,
    ):
        return known.sha256
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    found = FileRecord(str(path), status.st_size, status.st_mtime_ns, digest.hexdigest())
    store.write_file(path, found)
    return found.sha256


def _to_json(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
