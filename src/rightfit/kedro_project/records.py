"""Which step made each stored result, from what, and whether its files are still what it wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import hash_json
from rightfit._core.processes.json_store import JsonStore
from rightfit.kedro_project.datasets.stores import JsonStoreDataset
from rightfit.kedro_project.kedro_private import Catalog, Dataset, find_versioned_path

RECORDS = "result_records"  # their store in the catalog
SELF = ""  # relative path of a result that is one file
N_DIGITS = 24  # of the sha256
_LIBRARY = Path(__file__).parents[1]


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


@dataclass(frozen=True)
class GridRecord:
    """The cells that a run was about."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]


class RecordStore:
    """Reads and writes records; one of another form counts as absent."""

    def __init__(self, documents: JsonStore) -> None:
        self._documents = documents

    def read_result(self, name: str) -> ResultRecord | None:
        """Return the record of a result by its name in the catalog."""
        return self._documents.get_record(f"result-{_key(name)}", ResultRecord)

    def list_results(self) -> list[ResultRecord]:
        """Return the records of all results."""
        found = (
            self._documents.get_record(key, ResultRecord)
            for key in self._documents.keys()  # noqa: SIM118 - no dict
            if key.startswith("result-")
        )
        return [record for record in found if record is not None]

    def write_result(self, record: ResultRecord) -> None:
        """Keep the record of a result, in place of an earlier one."""
        self._documents.put_record(f"result-{_key(record.result)}", record)

    def read_grid(self, version: str) -> GridRecord | None:
        """Return the cells that the run of a version was about."""
        return self._documents.get_record(f"grid-{version}", GridRecord)

    def write_grid(self, version: str, grid: GridRecord) -> None:
        """Keep the cells that the run of a version is about."""
        self._documents.put_record(f"grid-{version}", grid)

    def read_file(self, path: Path) -> FileRecord | None:
        """Return what was last read of a file."""
        return self._documents.get_record(f"file-{_key(str(path))}", FileRecord)

    def write_file(self, path: Path, record: FileRecord) -> None:
        """Keep what was read of a file."""
        self._documents.put_record(f"file-{_key(str(path))}", record)


def open_records(catalog: Catalog) -> RecordStore | None:
    """Return the records of a catalog; ``None`` where it keeps none, or the project's own way."""
    store = catalog.get(RECORDS)
    return RecordStore(store.load()) if isinstance(store, JsonStoreDataset) else None


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:N_DIGITS]


class DamagedFileError(RightfitError):
    """A stored file that is not what was recorded of it."""


def hash_content(content: object) -> str:
    """Hash plain JSON content and Pydantic models; the order of keys plays no part.

    >>> hash_content({"a": 1, "b": [2]}) == hash_content({"b": [2], "a": 1})
    True
    """
    return hash_json(
        content,
        n_digits=N_DIGITS,
        default=lambda one: one.model_dump(mode="json") if isinstance(one, BaseModel) else str(one),
    )


def hash_library() -> str:
    """Hash all files of this library: whatever is changed in it, nothing is taken for unchanged."""
    digest = hashlib.sha256()
    for path in sorted(_LIBRARY.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(_LIBRARY).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:N_DIGITS]


def hash_source(
    dataset: Dataset | None, store: RecordStore, *, reads_all: bool = False
) -> str | None:
    """Hash the local files behind a catalog entry, and how the entry reads them.

    A file whose size and times are those of the last look is not read again, unless ``reads_all``.

    Returns:
        ``None`` for a source that is no local file, such as a database: nothing tells whether it
        has changed.
    """
    place = find_versioned_path(dataset)
    if place is None or not place.exists():
        return None
    if place.is_file():
        return hash_content([str(dataset), [hash_file(place, store, reads_all=reads_all)]])
    files = {  # a file's folder may be its class
        path.relative_to(place).as_posix(): hash_file(path, store, reads_all=reads_all)
        for path in _list_files(place)
    }
    return hash_content([str(dataset), files])


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
