"""Where searches live: Optuna studies, and the bundles of their complete trials."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import logging
import os
import shutil
import sqlite3
import stat
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from rightfit.errors import RightfitError
from rightfit.families.registry import split_reference
from rightfit.families.sources import read_family_sources
from rightfit.processes.codec import hash_json
from rightfit.processes.file_locks import acquire, is_file_left

if TYPE_CHECKING:
    import sqlalchemy

    from rightfit.families.bundle import Bundle
    from rightfit.tuning.studies.study_storage import StudyStorage

logger = logging.getLogger(__name__)

DAMAGED = "damaged"  # folder of what cannot be read
WRITTEN = ".written"  # folder of empty files, named by the SHA-256 of the weights written here
STUDIES_FILE = "studies.db"

_DATABASES = ("postgresql", "sqlite")  # with locks that end with their holder
_BUSY_TIMEOUT_S = 60  # SQLite lets one writer in at a time
# A database server notices after a minute that the host of a lock's holder is gone.
_KEEPALIVES = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


@dataclass(frozen=True)
class StudyStore:
    """Searches on disk, or in a database that several hosts share.

    Args:
        folder: Folder for the trials' bundles, and for the studies unless ``storage`` is given.
            Hosts that share a search must share it too.
        storage: Database URL of the studies (``postgresql+psycopg2://…``); ``None`` for an SQLite
            file in ``folder``, which all workers on one machine may share.
        heartbeat_s: Seconds between a running trial's signs of life in a shared database.
        grace_s: Seconds without one after which a trial counts as abandoned by its host.

    Raises:
        ValueError: If the database is of another kind, or a shared one has no heartbeat.
    """

    folder: Path
    storage: str | None = field(repr=False)  # may hold a password
    heartbeat_s: int | None = None
    grace_s: int | None = None

    def __post_init__(self) -> None:
        kind = self.url.partition(":")[0].partition("+")[0]  # the rest may hold a password
        if kind not in _DATABASES:
            raise RightfitError(
                f"Studies can't be kept in a database of the kind {kind!r}; allowed are "
                f"{_DATABASES}. Correct the credentials of the studies."
            )
        if self.storage and not (self.heartbeat_s and self.grace_s):
            raise RightfitError(
                "Studies in a database need heartbeat_s and grace_s, or the trial of a lost host "
                f"would never be taken up, but got {self.heartbeat_s=}, {self.grace_s=}. Give the "
                "catalog entry of the studies both."
            )

    def cell(self, name: str) -> StudyStore:
        """Return the part of the store that belongs to a cell ``{dataset}.{model}``."""
        return replace(self, folder=self.folder.joinpath(*name.split(".")))

    @property
    def url(self) -> str:
        """The studies' database."""
        return self.storage or _locate(self.folder / STUDIES_FILE)

    @property
    def is_empty(self) -> bool:
        """Whether no search was ever kept in this cell's file; a shared database is never empty."""
        return self.storage is None and not (self.folder / STUDIES_FILE).exists()

    def open(self, *, with_heartbeat: bool = False) -> StudyStorage:
        """Open the studies' database, creating it when needed.

        A process opens a database once, whatever number of cells it searches there: a server
        accepts some hundred connections.

        Args:
            with_heartbeat: Whether signs of life are watched; only a shared database needs that.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        heartbeat = (self.heartbeat_s, self.grace_s) if with_heartbeat else (None, None)
        key = (self.url, self._file_identity(), *heartbeat)
        if key not in _opened:
            with self.locked("studies"):  # two can't create the tables at once
                if self.storage is None:
                    set_aside_if_damaged(self.folder / STUDIES_FILE)
                key = (self.url, self._file_identity(), *heartbeat)
                if key not in _opened:
                    _opened[key] = _open_storage(self.url, *heartbeat)
        return _opened[key]

    def bundle_folder(self, study_name: str, number: int) -> Path:
        """Return the folder of a trial's bundle."""
        return self.folder / study_name / f"{number:05d}"

    @contextlib.contextmanager
    def new_bundle(self, study_name: str, number: int) -> Iterator[Path]:
        """Give a folder to write a bundle in; it becomes the trial's once the block is through.

        A process that dies in between leaves a folder that no one takes for a bundle.
        """
        final = self.bundle_folder(study_name, number)
        partial = final.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        partial.rename(final)

    def record_weights(self, bundle: Bundle) -> None:
        """Note that a bundle's native weights were written here, so that they may be opened."""
        record = self.folder / WRITTEN / bundle.weights_sha256
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()

    def trust_recorded(self, bundle: Bundle) -> Bundle:
        """Return a bundle, trusted if its native weights were written here."""
        is_written = (self.folder / WRITTEN / bundle.weights_sha256).is_file()
        return replace(bundle, is_trusted=bundle.is_trusted or is_written)

    def drop_bundle(self, study_name: str, number: int) -> None:
        """Delete what a trial that does not count has written."""
        final = self.bundle_folder(study_name, number)
        for folder in (final, final.with_suffix(".partial")):
            shutil.rmtree(folder, ignore_errors=True)

    def sweep_partial_bundles(self, study_name: str, running: Collection[int]) -> None:
        """Delete the bundles that killed processes left half written.

        Args:
            study_name: The search.
            running: Trials that may be writing theirs.
        """
        for partial in self.bundle_folder(study_name, 0).parent.glob("*.partial"):
            if int(partial.stem) not in running:
                shutil.rmtree(partial, ignore_errors=True)

    def sweep_partial_files(self, study_name: str) -> None:
        """Delete the files of bundles that killed exports left half written."""
        for partial in self.bundle_folder(study_name, 0).parent.glob("*/*.partial"):
            if is_file_left(partial):
                partial.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep every other worker that shares these studies out of the block, wherever it runs.

        The lock is the operating system's or the database's, so it ends with its holder.

        Args:
            name: What is locked.
        """
        if self.url.startswith("sqlite"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _open_lock(self.folder / f".{name}.lock") as file:
                acquire(file)
                yield
            return
        with _connect(self.url).begin() as connection:  # the lock ends with the transaction
            connection.exec_driver_sql(_locking(name))
            yield

    @contextlib.contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """Hold the lock of :meth:`locked` and store all that Optuna stores meanwhile, or nothing.

        Args:
            name: What is locked.
        """
        if self.url.startswith("sqlite"):
            with self.locked(name), self.open().transaction():
                yield
            return
        with self.open().transaction(_locking(name)):
            yield

    def _file_identity(self) -> tuple[int, ...]:
        """Tell the studies' file from an earlier one in its place; empty for another database."""
        if self.storage is not None:
            return ()
        file = self.folder / STUDIES_FILE
        if not file.exists():
            file.touch()
        status = file.stat()
        return status.st_dev, status.st_ino


def fingerprint_family(family: str, parts: dict[str, Any]) -> str:
    """Return what a study is keyed by: its parts and the code of the family, see ``sources.py``.

    Args:
        family: Reference of the family.
        parts: JSON-like values that change what a trial's numbers mean.

    Returns:
        The first 12 hex digits of a SHA-256.
    """
    _, made_of = split_reference(family)
    sources = read_family_sources(family)
    if made_of:
        parts = {"made_of": made_of, **parts}
    return hash_json({"sources": sources, **parts}, n_digits=12, default=str)


def load_database_libraries() -> None:
    """Import what opening a study needs: Optuna looks after its tables with Alembic."""
    _open_storage("sqlite://", None, None)


def _open_lock(path: Path) -> IO[bytes]:
    """Open a lock's file without writing to it; a link planted in its place is not followed.

    Raises:
        ValueError: If anything but a regular file is there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    except OSError as err:
        if err.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a folder, a pipe
            raise RightfitError(_explain_lock(path)) from err
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RightfitError(_explain_lock(path))
    return file


def _explain_lock(path: Path) -> str:
    return (
        f"{path} must be a regular file, as searches lock it; a link, folder or pipe is there. "
        "Find out who made it, then remove it."
    )


_opened: dict[tuple[Any, ...], StudyStorage] = {}


def _locate(file: Path) -> str:
    """Return the URL of an SQLite file; what means something in a URL is written as %XX."""
    return f"sqlite:///{quote(str(file), safe='/ :')}"


def _open_storage(url: str, heartbeat_s: int | None, grace_s: int | None) -> StudyStorage:
    import optuna

    from rightfit.tuning.studies.study_storage import StudyStorage

    if url.startswith("sqlite"):
        options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
    else:
        options = {
            "pool_pre_ping": True,  # a long trial outlives many an idle connection
            "isolation_level": "READ COMMITTED",  # who has waited for a lock sees what it guarded
        }
    with warnings.catch_warnings():
        # The heartbeat has been called experimental since Optuna 2.9.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return StudyStorage(
            url,
            engine_kwargs=options,
            heartbeat_interval=heartbeat_s,
            grace_period=grace_s,
        )


def _locking(name: str) -> str:
    """Return the statement that locks a name in PostgreSQL until the transaction ends."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    options = [f"set_config('{name}', '{x}', true)" for name, x in _KEEPALIVES.items()]
    return f"SELECT {', '.join([*options, f'pg_advisory_xact_lock({key})'])}"


@functools.cache
def _connect(url: str) -> sqlalchemy.Engine:
    import sqlalchemy

    return sqlalchemy.create_engine(url, pool_pre_ping=True)


def set_aside_if_damaged(file: Path) -> None:
    """Move a damaged SQLite file away, with the bundles of the trials that it knew.

    A file that is gone or empty while there are bundles counts as damaged too: trials of a new
    search would be mixed with those of the old one.

    Args:
        file: The studies of one cell. Nobody else may open it meanwhile.
    """
    fault = _find_fault(file)
    if fault is None:
        return
    place = file.parent / DAMAGED / datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")
    place.mkdir(parents=True)
    for path in file.parent.iterdir():
        if path.name != DAMAGED and not path.name.startswith("."):
            path.rename(place / path.name)
    logger.warning("%s is damaged (%s). It is kept in %s; its search starts anew.",
                   file, fault, place)  # fmt: skip


def _find_fault(file: Path) -> str | None:
    if file.is_dir():
        return "it is a folder"
    if not file.exists() or file.stat().st_size == 0:
        has_bundles = any(
            path.is_dir() and path.name != DAMAGED and not path.name.startswith(".")
            for path in file.parent.iterdir()
        )
        return "it is empty" if has_bundles else None
    try:
        with sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        connection.close()
    except sqlite3.OperationalError:
        return None  # locked or not readable: that is no damage
    except sqlite3.DatabaseError as err:
        return str(err)
    return None if found == "ok" else str(found)
