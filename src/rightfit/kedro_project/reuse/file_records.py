"""Hashes of files; a file whose size and time of change are as recorded is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SELF = ""  # relative path of a result that is one file


class DamagedFileError(ValueError):
    """A stored file that is not what was recorded of it."""


@dataclass(frozen=True)
class FileRecord:
    """The hash of a file as it was when it was last read.

    Args:
        path: Its path in the folder of the result or source; :data:`SELF` for that file itself.
        n_bytes: Its size.
        changed_ns: When content, name or permissions were changed; programs cannot set that time.
        sha256: Hash of its content.
    """

    path: str
    n_bytes: int
    changed_ns: int
    sha256: str


def record_file(path: Path, name: str, before: FileRecord | None = None) -> FileRecord:
    """Return the record of a file: the one from before if its size and time are the same."""
    status = path.stat()
    n_bytes, changed_ns = status.st_size, status.st_ctime_ns
    if before is not None and (before.n_bytes, before.changed_ns) == (n_bytes, changed_ns):
        return before
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(name, n_bytes, changed_ns, sha256)


def record_files(path: Path, before: Iterable[FileRecord] = ()) -> tuple[FileRecord, ...]:
    """Return the records of a file, or of all files in a folder, in order of their paths."""
    names = {path: SELF}
    if not path.is_file():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        names = {file: file.relative_to(path).as_posix() for file in files}
    earlier = {record.path: record for record in before}
    return tuple(record_file(file, name, earlier.get(name)) for file, name in names.items())


def compare_files(
    path: Path, recorded: Iterable[FileRecord], *, reads_all: bool
) -> tuple[FileRecord, ...]:
    """Compare a stored result with what was recorded when it was saved.

    Args:
        path: The file or folder.
        recorded: Records of its files; others in the folder are not asked for.
        reads_all: Whether files are read whose size and times are as recorded, too.

    Returns:
        The records with the times of now.

    Raises:
        DamagedFileError: If a file is missing or has another content.
    """
    current = []
    for record in recorded:
        file = path / record.path if record.path else path
        if not file.is_file():
            is_there = file.exists() or file.is_symlink()
            raise DamagedFileError(f"{file.name} is {'no file' if is_there else 'missing'}")
        current.append(record_file(file, record.path, None if reads_all else record))
        if current[-1].sha256 != record.sha256:
            raise DamagedFileError(f"{file.name} is not what the run wrote")
    return tuple(current)
