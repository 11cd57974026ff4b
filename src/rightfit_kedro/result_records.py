"""Records of runs: which grid each was about, and what the files of its results were."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from kedro.io.core import generate_timestamp

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro.datasets.stores import JsonStoreDataset
from rightfit_kedro.kedro_private import Catalog

WHOLE_FILE = ""  # relative path of a result that is one file
N_DIGITS = 24  # of the sha256 in a key
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # how Kedro names a run
FORM = "%Y-%m-%dT%H.%M.%S.%f"
GRID = "grid-"  # begins the key of a run's grid

Record = TypeVar("Record")


@dataclass(frozen=True)
class ResultRecord:
    """The files of a result as its run wrote them.

    Args:
        result: Its name in the catalog.
        version: Version it was saved as.
        files: SHA-256 of each, by its path in the result's folder, or by :data:`WHOLE_FILE`.
    """

    result: str
    version: str
    files: dict[str, str]


@dataclass(frozen=True)
class GridRecord:
    """The cells that a run was about."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]


class RecordStore:
    """Reads and writes records.

    Args:
        store: Keeps them; ``None``: nothing is kept.
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
        """Return the record of a result's version that was written last."""
        return self.get(_key(name), ResultRecord)

    def write_result(self, name: str, version: str, path: Path) -> None:
        """Record the files of a version, in place of an earlier one."""
        self.put(_key(name), ResultRecord(name, version, hash_files(path)))

    def verify(
        self, name: str, version: str, path: Path, *, only: Collection[str] | None = None
    ) -> None:
        """Compare a version with its record, if there is one.

        Args:
            name: The result's name.
            version: Its version.
            path: The file or folder.
            only: Names of the files that are compared; ``None``: all that are recorded.

        Raises:
            ValueError: If a file is missing or has another content.
        """
        record = self.read_result(name)
        if record is None or record.version != version:
            return
        for file, sha256 in record.files.items():
            if only is None or Path(file).name in only:
                _compare(path / file if file else path, sha256)

    def list_runs(self) -> list[str]:
        """Return the versions of all runs that have begun, in their order."""
        keys = [] if self._store is None else self._store.keys()
        return [key.removeprefix(GRID) for key in keys if key.startswith(GRID)]

    def find_newest(self) -> str:
        """Return what no version that counts is newer than: now, or the newest run."""
        return max([generate_timestamp(), *self.list_runs()])

    def name_run(self, version: str) -> str:
        """Return the version that a run saves: it sorts behind those of all earlier runs.

        A clock that has gone back would name a run before those that it follows. Then it gets the
        moment after the newest of them. Only Kedro's own names are changed.
        """
        last = max(self.list_runs(), default="")
        if not TIME.fullmatch(version) or last <= version or not TIME.match(last):
            return version
        moment = datetime.strptime(last[:23], FORM).replace(tzinfo=UTC)
        return f"{moment + timedelta(milliseconds=1):{FORM}}"[:-3] + "Z"


def read_time(version: str | None) -> float:
    """Return the seconds since 1970 that a version names; infinity where it names no time."""
    if version is None or not TIME.match(version):
        return math.inf
    return datetime.strptime(version[:23], FORM).replace(tzinfo=UTC).timestamp()


def open_records(catalog: Catalog) -> RecordStore:
    """Return the records of a catalog; it may keep none, or in the project's own way."""
    store = catalog.get("result_records")
    return RecordStore(store.load() if isinstance(store, JsonStoreDataset) else None)


def hash_files(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in a folder, by relative path."""
    if path.is_file():
        return {WHOLE_FILE: _hash(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): _hash(file) for file in files}


def _compare(file: Path, sha256: str) -> None:
    if not file.is_file():
        is_there = file.exists() or file.is_symlink()
        raise ValueError(f"{file.name} is {'no file' if is_there else 'missing'}")
    if _hash(file) != sha256:
        raise ValueError(f"{file.name} is not what the run wrote")


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _key(name: str) -> str:
    return f"result-{hashlib.sha256(name.encode()).hexdigest()[:N_DIGITS]}"
