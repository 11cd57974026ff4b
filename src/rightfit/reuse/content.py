"""Hashes of what a step depends on: parameters, raw tables, code, libraries and machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, AbstractVersionedDataset
from kedro.io.core import VersionNotFoundError
from pydantic import BaseModel

from rightfit.errors import RightfitError
from rightfit.reuse.records import SELF, FileRecord, RecordStore

N_DIGITS = 24  # of the sha256
_LIBRARY = Path(__file__).parents[1]


class DamagedFileError(RightfitError):
    """A stored file that is not what was recorded of it."""


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


def hash_source(
    dataset: AbstractDataset[Any, Any] | None, store: RecordStore, *, reads_all: bool = False
) -> str | None:
    """Hash the local files behind a catalog entry, and how the entry reads them.

    A file whose size and times are those of the last look is not read again, unless ``reads_all``.

    Returns:
        ``None`` for a source that is no local file, such as a database: nothing tells whether it
        has changed.
    """
    place = find_place(dataset)
    if place is None or not place.exists():
        return None
    if place.is_file():
        return hash_content([str(dataset), [hash_file(place, store, reads_all=reads_all)]])
    files = {  # a file's folder may be its class
        path.relative_to(place).as_posix(): hash_file(path, store, reads_all=reads_all)
        for path in _list_files(place)
    }
    return hash_content([str(dataset), files])


def find_place(
    dataset: AbstractDataset[Any, Any] | None, version: str | None = None
) -> Path | None:
    """Return the local file or folder behind a catalog entry.

    Args:
        dataset: The entry.
        version: Which of its versions; ``None`` for the one that a run would load.

    Returns:
        ``None`` where it is not local, or has no such version.
    """
    if getattr(dataset, "_protocol", "file") != "file":
        return None
    if isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None:
        if version is not None:
            return Path(str(dataset._get_versioned_path(version)))
        try:
            return Path(str(dataset._get_load_path()))
        except VersionNotFoundError:
            return None  # the node that reads it will say so
    place = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    return Path(str(place)) if place is not None else None


def _list_files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def hash_file(path: Path, store: RecordStore, *, reads_all: bool = False) -> str:
    """Hash a file; one whose size and times are those of the last look is not read."""
    known = store.read_file(path)
    found = look_at(path, str(path), None if reads_all else known)
    if found != known:
        store.write_file(path, found)
    return found.sha256


def look_at(path: Path, name: str, known: FileRecord | None = None) -> FileRecord:
    """Return the record of a file, the known one if the file has its size and times still."""
    status = path.stat()
    stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    if known is not None and known.stamp == stamp:
        return known
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(name, *stamp, sha256)


def record_files(place: Path) -> tuple[FileRecord, ...]:
    """Return the records of a result's file, or of all files of its folder."""
    if place.is_file():
        return (look_at(place, SELF),)
    return tuple(look_at(path, path.relative_to(place).as_posix()) for path in _list_files(place))


def compare_files(
    place: Path, recorded: Sequence[FileRecord], *, reads_all: bool
) -> tuple[FileRecord, ...]:
    """Compare a stored result with what was recorded when it was saved.

    Files that have their size and times still are not read, unless ``reads_all``.

    Returns:
        The records with the times of now.

    Raises:
        DamagedFileError: If a file is missing or has another content.
    """
    found = []
    for known in recorded:
        path = place / known.path if known.path else place
        if not path.is_file():
            is_there = path.exists() or path.is_symlink()
            raise DamagedFileError(f"{path.name} is {'no file' if is_there else 'missing'}")
        now = look_at(path, known.path, None if reads_all else known)
        if now.sha256 != known.sha256:
            raise DamagedFileError(f"{path.name} is not what the run wrote")
        found.append(now)
    return tuple(found)


def _to_json(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
