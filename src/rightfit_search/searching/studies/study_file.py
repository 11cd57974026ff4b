"""The searches of one machine in a file: Optuna's journal, a line of JSON for each change.

A search notes a few things at each checkpoint of each trial, and most searches are small: in an
SQLite file notes took an eighth of all their CPU time (decision 0034).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from rightfit._core.processes.file_locks import acquire, release

logger = logging.getLogger(__name__)

DAMAGED = "damaged"  # folder of what cannot be read

# What reading a line raises that is none of the journal's.
_FAULTS = (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class StudyFile(BaseJournalBackend):
    """A journal on a local disk, for any number of processes; Optuna's own tools read it too.

    Unlike Optuna's ``JournalFileBackend`` it does not wait for the disk at each line, its lock ends
    with its holder, and a line that a killed process or a full disk has left half written is cut
    off by the next.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, self._file)
        self._starts = [0]  # where each line begins, in bytes, and where the next one will

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Return what whole lines hold, from one of the lines known so far."""
        del self._starts[log_number_from + 1 :]
        lines = self._read_from(self._starts[-1]).split(b"\n")[:-1]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        return [json.loads(line) for line in lines]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write a line for each change.

        Raises:
            OSError: If the disk is full.
        """
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        acquire(self._file)
        try:
            end = os.fstat(self._file).st_size
            if end and os.pread(self._file, 1, end - 1) != b"\n":  # somebody left half a line
                os.ftruncate(self._file, self._read_from(0).rfind(b"\n") + 1)
            if os.write(self._file, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        finally:
            release(self._file)

    def _read_from(self, start: int) -> bytes:
        return os.pread(self._file, os.fstat(self._file).st_size - start, start)


def open_study_file(path: Path) -> JournalStorage:
    """Open the searches of a cell; nobody else may open them meanwhile.

    A file that cannot be read is moved away, with the bundles of the trials that it knew. One that
    is gone or empty while there are bundles counts as damaged too: trials of a new search would be
    mixed with those of the old one.

    Args:
        path: The file; it need not exist.
    """
    fault = "it is a folder"
    if not path.is_dir():
        try:
            storage = JournalStorage(StudyFile(path))
        except _FAULTS as err:
            fault = str(err)
        else:
            has_bundles = any(entry.is_dir() and _is_kept(entry) for entry in path.parent.iterdir())
            if storage.get_all_studies() or not has_bundles:
                return storage
            fault = "it is empty"
    _set_aside(path, fault)
    return JournalStorage(StudyFile(path))


def _is_kept(path: Path) -> bool:
    return path.name != DAMAGED and not path.name.startswith(".")


def _set_aside(path: Path, fault: str) -> None:
    folder = path.parent / DAMAGED / datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")
    folder.mkdir(parents=True)
    for entry in path.parent.iterdir():
        if _is_kept(entry):
            entry.rename(folder / entry.name)
    logger.warning("%s is damaged (%s). It is kept in %s; its search starts anew.",
                   path, fault, folder)  # fmt: skip
