"""Records of a run's results: from what each was made, and what its files were.

A file whose size and time of change are as recorded is not read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from rightfit._core.processes.codec import hash_json
from rightfit._core.processes.json_store import JsonStore
from rightfit.kedro_project.datasets.stores import JsonStoreDataset
from rightfit.kedro_project.kedro_private import Catalog, Dataset, find_versioned_path

WHOLE_FILE = ""  # relative path of a result that is one file
N_DIGITS = 24  # of the sha256

Record = TypeVar("Record")


class DamagedFileError(ValueError):
    """A stored file that is not what was recorded of it."""


@dataclass(frozen=True)
class FileRecord:
    """The hash of a file as it was when it was last read.

    Args:
        path: Its path in the folder of the result; :data:`WHOLE_FILE` for the file itself.
        n_bytes: Its size.
        changed_ns: When content, name or permissions were changed; programs cannot set that time.
        sha256: Hash of its content.
    """

    path: str
    n_bytes: int
    changed_ns: int
    sha256: str


@dataclass(frozen=True)
class ResultRecord:
    """How a stored result came about; of a source, what its files were when they were read last.

    Args:
        result: Its name in the catalog; the path of a source.
        key: Hash of all that the step that made it depends on; empty of a source.
        version: Version it was saved as; empty of a source.
        whole: Hash of all that the step read, also of what it does not depend on.
        files: What its files were when it was saved; none of a result that is not local.
    """

    result: str
    key: str
    version: str
    whole: str = ""
    files: tuple[FileRecord, ...] = ()


class RecordStore:
    """Reads and writes records.

    Args:
        store: Keeps them; ``None``: nothing is kept, so that every step runs.
    """

    def __init__(self, store: JsonStore | None = None) -> None:
        self._store = store

    def get(self, key: str, kind: type[Record]) -> Record | None:
        """Return the dataclass of a key; ``None`` where there is none of that form."""
        return None if self._store is None else self._store.get_record(key, kind)

    def put(self, key: str, record: object) -> None:
        """Write a dataclass, replacing the one of the same key."""
        if self._store is not None:
            self._store.put_record(key, record)

    def read_result(self, name: str) -> ResultRecord | None:
        """Return the record of a result by its name in the catalog."""
        return self.get(_key("result", name), ResultRecord)

    def list_results(self) -> list[ResultRecord]:
        """Return the records of all results."""
        keys = [] if self._store is None else self._store.keys()
        records = (self.get(key, ResultRecord) for key in keys if key.startswith("result-"))
        return [record for record in records if record is not None]

    def write_result(self, record: ResultRecord) -> None:
        """Keep the record of a result, in place of an earlier one."""
        self.put(_key("result", record.result), record)

    def hash_files(self, path: Path, *, reads_all: bool = False) -> str:
        """Hash a file, or all files of a folder with their names.

        A file is read again only if its size or times have changed, or with ``reads_all``.
        """
        key = _key("source", str(path))
        before = self.get(key, ResultRecord)
        files = record_files(path, () if reads_all or before is None else before.files)
        if before is None or files != before.files:
            self.put(key, ResultRecord(str(path), "", "", files=files))
        return hash_content([[file.path, file.sha256] for file in files])

    def hash_source(self, dataset: Dataset | None, *, reads_all: bool = False) -> str | None:
        """Hash the local files behind a catalog entry, and how the entry reads them.

        Returns:
            ``None`` for a source that is no local file, such as a database: nothing tells whether
            it has changed.
        """
        path = find_versioned_path(dataset)
        if path is None or not path.exists():
            return None
        return hash_content([str(dataset), self.hash_files(path, reads_all=reads_all)])


def open_records(catalog: Catalog) -> RecordStore:
    """Return the records of a catalog; it may keep none, or in the project's own way."""
    store = catalog.get("result_records")
    return RecordStore(store.load() if isinstance(store, JsonStoreDataset) else None)


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
    names = {path: WHOLE_FILE}
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


def hash_content(content: object) -> str:
    """Hash plain JSON content and Pydantic models; the order of keys plays no part.

    >>> hash_content({"a": 1, "b": [2]}) == hash_content({"b": [2], "a": 1})
    True
    """
    return hash_json(
        content,
        n_digits=N_DIGITS,
        default=lambda value: (
            value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
        ),
    )


def _key(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:N_DIGITS]}"
