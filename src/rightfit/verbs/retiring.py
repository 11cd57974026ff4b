"""Retire old versions of results: which to delete, and what must stay with those that are kept."""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rightfit.catalog_entries import read_patterns
from rightfit.processes.json_store import JsonStore
from rightfit.reuse.records import RECORDS, RecordStore
from rightfit.verbs.stored import StoredResults

READ_LATER = ("rankings", "recommendations", "report")  # what they were made from stays with them
BYTES_PER_MIB = 2**20

_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z.*")
_FIELD = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class OldVersion:
    """A version of a result that nothing refers to any more."""

    folder: Path
    n_bytes: int


def find_old_versions(results: StoredResults, *, keep: int) -> list[OldVersion]:
    """Return the versions of Rightfit's results that may go.

    Kept are the newest versions of each result, those from which kept rankings and reports were
    made, and those that the next run would leave as they are. Only local results are looked at.
    """
    folders = {
        folder: _list_versions(folder)
        for name in read_patterns("")
        for folder in _find_folders(results, name)
    }
    later = {
        version
        for name in READ_LATER
        for folder in _find_folders(results, name)
        for version in folders[folder][-keep:]
    }
    recorded = _list_recorded(results)
    found = []
    for folder, versions in folders.items():
        needed = {max((v for v in versions if v <= limit), default="") for limit in later}
        kept = {*versions[-keep:], *needed, *recorded}
        found += [folder / version for version in versions if version not in kept]
    return [OldVersion(folder, _measure(folder)) for folder in sorted(found)]


def delete_versions(versions: list[OldVersion]) -> None:
    """Delete versions of results, each folder as a whole."""
    for version in versions:
        shutil.rmtree(version.folder)


def _find_folders(results: StoredResults, name: str) -> Iterator[Path]:
    """Yield the folders whose sub-folders are the versions of an entry, for all it stands for."""
    place = results.find_place(name)
    if place is not None:
        root = Path(place).anchor
        pattern = "*".join(glob.escape(part) for part in _FIELD.split(place.removeprefix(root)))
        yield from sorted(Path(root).glob(pattern))


def _list_versions(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name))


def _list_recorded(results: StoredResults) -> set[str]:
    store = results.load_current(RECORDS)
    if not isinstance(store, JsonStore):
        return set()
    return {record.version for record in RecordStore(store).list_results()}


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
