"""Which step made each stored result, and from what: a document per result."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rightfit.processes.codec import from_plain, to_plain
from rightfit.processes.json_store import JsonStore

RECORDS = "result_records"  # their store in the catalog
SELF = ""  # relative path of a result that is one file
Record = TypeVar("Record")


@dataclass(frozen=True)
class ResultRecord:
    """How a stored result came about.

    Args:
        result: Its name in the catalog.
        key: Hash of all that the step that made it depends on.
        version: Version it was saved as.
        whole: Hash of all that the step read, also of what it does not depend on.
        files: What its files were when it was saved, their paths relative to where it lies; none
            of a result that is not local.
    """

    result: str
    key: str
    version: str
    whole: str = ""
    files: tuple[FileRecord, ...] = ()


@dataclass(frozen=True)
class FileRecord:
    """The hash of a file as it was when it was last read.

    Args:
        path: Where it lies.
        n_bytes: Its size.
        changed_ns: When its content was changed; programs can set that time.
        touched_ns: When content, name or permissions were changed; programs cannot set that time.
        sha256: Hash of its content.
    """

    path: str
    n_bytes: int
    changed_ns: int
    touched_ns: int
    sha256: str

    @property
    def stamp(self) -> tuple[int, int, int]:
        """What differs if somebody has written to the file since."""
        return self.n_bytes, self.changed_ns, self.touched_ns


class RecordStore:
    """Reads and writes records; one of another form counts as absent."""

    def __init__(self, documents: JsonStore) -> None:
        self._documents = documents

    def read_result(self, name: str) -> ResultRecord | None:
        """Return the record of a result by its name in the catalog."""
        return self._read(f"result-{_key(name)}", ResultRecord)

    def list_results(self) -> list[ResultRecord]:
        """Return the records of all results."""
        found = (
            self._read(key, ResultRecord)
            for key in self._documents.keys()  # noqa: SIM118 - no dict
            if key.startswith("result-")
        )
        return [record for record in found if record is not None]

    def write_result(self, record: ResultRecord) -> None:
        """Keep the record of a result, in place of an earlier one."""
        self._documents.put(f"result-{_key(record.result)}", to_plain(record))

    def read_file(self, path: Path) -> FileRecord | None:
        """Return what was last read of a file."""
        return self._read(f"file-{_key(str(path))}", FileRecord)

    def write_file(self, path: Path, record: FileRecord) -> None:
        """Keep what was read of a file."""
        self._documents.put(f"file-{_key(str(path))}", to_plain(record))

    def _read(self, key: str, kind: type[Record]) -> Record | None:
        document = self._documents.get(key)
        try:
            return None if document is None else from_plain(kind, document)
        except (TypeError, ValueError):
            return None


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
