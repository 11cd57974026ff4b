"""Where searches live: Optuna studies, and the bundles of their complete trials."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import hash_json
from rightfit._core.processes.file_locks import acquire, holding_folder, is_left
from rightfit.models.references import split_reference
from rightfit.models.sources import read_family_sources

if TYPE_CHECKING:
    import sqlalchemy
    from optuna.storages import BaseStorage, InMemoryStorage

    from rightfit.models.bundle import Bundle

logger = logging.getLogger(__name__)

WRITTEN = ".written"  # folder of empty files, named by the SHA-256 of the weights written here
STUDIES_FILE = "studies.journal"

_DATABASES = ("postgresql", "sqlite")  # with locks that end with their holder
_BUSY_TIMEOUT_S = 60  # SQLite lets one writer in at a time
# A database server notices after a minute that the host of a lock's holder is gone.
_KEEP_ALIVE = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)


@dataclass(frozen=True)
class StudyStore:
    """Searches on disk, or in a database that several hosts share.

    Args:
        folder: Folder for the trials' bundles, and for the studies unless ``storage`` is given.
            Hosts that share a search must share it too.
        storage: Database URL of the studies (``postgresql+psycopg://…``); ``None`` for a
            file in ``folder``, which all runs on one machine may share.

    Raises:
        RightfitError: If the database is of another kind.
    """

    folder: Path
    storage: str | None = field(repr=False)  # may hold a password

    def __post_init__(self) -> None:
        if self.storage is None:
            return
        kind = self.storage.partition(":")[0].partition("+")[0]  # the rest may hold a password
        if kind not in _DATABASES:
            raise RightfitError(
                f"Studies can't be kept in a database of the kind {kind!r}; allowed are "
                f"{_DATABASES}. Correct the credentials of the studies."
            )

    def cell(self, name: str) -> StudyStore:
        """Return the part of the store that belongs to a cell ``{dataset}.{model}``."""
        return replace(self, folder=self.folder.joinpath(*name.split(".")))

    @property
    def place(self) -> str:
        """Where the studies are, as Optuna's tools take it: a database's URL, or a journal."""
        return self.storage or str(self.folder / STUDIES_FILE)

    @property
    def is_empty(self) -> bool:
        """Whether no search was ever kept in this cell's file; a shared database is never empty."""
        return self.storage is None and not (self.folder / STUDIES_FILE).exists()

    def open(self) -> BaseStorage:
        """Open the studies, creating their place when needed.

        A process opens a database once, whatever number of cells it searches there: a server
        accepts some hundred connections.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        storage = _opened.get(self._identify())
        if storage is None:
            with self.locked("studies"):  # two can't create the tables at once
                storage = _opened.get(self._identify())
                if storage is None:
                    storage = self._open_anew()
                    _opened[self._identify()] = storage
        return storage

    def bundle_folder(self, study_name: str, number: int, variant: str = "") -> Path:
        """Return the folder of a trial's bundle, or of a ``variant`` of the model."""
        return self.folder / study_name / "-".join(filter(None, [f"{number:05d}", variant]))

    @contextlib.contextmanager
    def new_bundle(self, study_name: str, number: int, variant: str = "") -> Iterator[Path]:
        """Give a folder to write a bundle in; it becomes the trial's once the block is through.

        A process that dies in between leaves a folder that no one takes for a bundle. Two that
        write the same trial, because one's scheduler is gone, leave one whole bundle.
        """
        final = self.bundle_folder(study_name, number, variant)
        final.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(
                prefix=f"{final.name}.",
                suffix=".partial",
                dir=final.parent,
                ignore_cleanup_errors=True,
            ) as name,
            holding_folder(Path(name)),
        ):
            partial = Path(name) / final.name
            partial.mkdir()
            yield partial
            if final.is_dir() and not final.is_symlink():
                shutil.rmtree(final, ignore_errors=True)
            else:
                final.unlink(missing_ok=True)
            try:
                partial.rename(final)
            except OSError:
                if not final.is_dir():
                    raise

    def record_weights(self, bundle: Bundle) -> None:
        """Note that a bundle's native weights were written here, so that they may be opened."""
        record = self.folder / WRITTEN / bundle.weights_sha256
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()

    def trust_recorded(self, bundle: Bundle) -> Bundle:
        """Return a bundle, trusted if its native weights were written here."""
        is_written = (self.folder / WRITTEN / bundle.weights_sha256).is_file()
        return replace(bundle, is_trusted=bundle.is_trusted or is_written)

    def write_content(self, study_name: str, key: str, content: bytes) -> None:
        """Keep a content beside a study's bundles; its file is named by the content's hash."""
        folder = self.folder / study_name
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".content", delete=False) as file:
            file.write(content)
        Path(file.name).replace(folder / f"{key}.{hashlib.sha256(content).hexdigest()}")

    def read_content(self, study_name: str, key: str) -> bytes | None:
        """Return what :meth:`write_content` has kept; ``None`` if there is nothing whole."""
        for file in (self.folder / study_name).glob(f"{key}.*"):
            content = file.read_bytes() if file.is_file() else b""
            if hashlib.sha256(content).hexdigest() == file.name.rpartition(".")[2]:
                return content
        return None

    def drop_bundle(self, study_name: str, number: int) -> None:
        """Delete the bundle of a trial that does not count."""
        shutil.rmtree(self.bundle_folder(study_name, number), ignore_errors=True)

    def sweep_partial_bundles(self, study_name: str) -> None:
        """Delete the bundles that killed processes left half written.

        Another run may write one meanwhile: it trains its candidates when its search is over.
        """
        for partial in (self.folder / study_name).glob("*.partial"):
            if is_left(partial):
                shutil.rmtree(partial, ignore_errors=True)

    def sweep_partial_files(self, study_name: str) -> None:
        """Delete the files of bundles that killed exports left half written."""
        for partial in (self.folder / study_name).glob("*/*.partial"):
            if is_left(partial):
                partial.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str, *, waiting: str | None = "") -> Iterator[None]:
        """Keep every other process that shares these studies out of the block, wherever it runs.

        The lock is the operating system's or the database's, so it ends with its holder.

        Args:
            name: What is locked.
            waiting: What to log before waiting for another holder; empty: nothing; ``None``: do
                not wait.

        Raises:
            BlockingIOError: If another process holds the lock, and ``waiting`` is ``None``.
        """
        take: Callable[..., bool]
        with contextlib.ExitStack() as stack:
            if self.storage is None or self.storage.startswith("sqlite"):
                self.folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(_open_lock_file(self.folder / f".{name}.lock"))
                take = functools.partial(acquire, file)
            else:  # the lock ends with the connection
                connection = stack.enter_context(_connect(self.storage).connect())
                connection.exec_driver_sql(_KEEP_ALIVE)
                take = functools.partial(_acquire_in_database, connection, name)
            if not take(waits=False):
                if waiting is None:
                    raise BlockingIOError(f"another process holds the lock {name!r}")
                if waiting:
                    logger.info("%s", waiting)
                take(waits=True)
            yield

    def _open_anew(self) -> BaseStorage:
        if self.storage is None:
            from rightfit_search.searching.studies.study_file import open_study_file

            return open_study_file(self.folder / STUDIES_FILE)
        from optuna.storages import RDBStorage

        if self.storage.startswith("sqlite"):
            options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
        else:
            options = {"pool_pre_ping": True}  # a long training outlives many an idle connection
        return RDBStorage(self.storage, engine_kwargs=options)

    def _identify(self) -> tuple[Any, ...]:
        """Tell the studies from all others, a file also from an earlier one in its place."""
        if self.storage is not None:
            return (self.storage,)
        try:
            status = (self.folder / STUDIES_FILE).stat()
        except FileNotFoundError:
            return (self.place, None)
        return (self.place, status.st_dev, status.st_ino)


def _open_memory() -> InMemoryStorage:
    from optuna.storages import InMemoryStorage

    return InMemoryStorage()


@dataclass(frozen=True)
class PrivateStudyStore(StudyStore):
    """Studies in this process' memory, for searches that nobody else works on and nobody continues.

    The bundles of their trials are in the folder.

    Args:
        folder: Folder for the bundles.
        kept: The studies.
    """

    storage: str | None = field(default=None, init=False, repr=False)
    kept: InMemoryStorage = field(default_factory=_open_memory)

    @property
    def is_empty(self) -> bool:
        """Whether there was no search yet."""
        return not self.kept.get_all_studies()

    def open(self) -> InMemoryStorage:
        """Return the studies."""
        return self.kept

    @contextlib.contextmanager
    def locked(self, name: str, *, waiting: str | None = "") -> Iterator[None]:  # noqa: ARG002
        """Lock nothing: nobody else works here."""
        yield


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


def _open_lock_file(path: Path) -> IO[bytes]:
    """Open a lock's file without writing to it; a link planted in its place is not followed.

    Raises:
        ValueError: If anything but a regular file is there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fault = None
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    except OSError as err:
        if err.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a folder, a pipe
            raise
        fault = err
    raise RightfitError(
        f"{path} must be a regular file, as searches lock it; a link, folder or pipe is there. "
        "Find out who made it, then remove it."
    ) from fault


_opened: dict[tuple[Any, ...], BaseStorage] = {}


def _acquire_in_database(connection: sqlalchemy.Connection, name: str, *, waits: bool) -> bool:
    """Lock a name in PostgreSQL until the connection ends; tell whether it is locked now."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    function = "pg_advisory_lock" if waits else "pg_try_advisory_lock"
    return connection.exec_driver_sql(f"SELECT {function}({key})").scalar_one() is not False


@functools.cache
def _connect(url: str) -> sqlalchemy.Engine:
    """Return an engine whose connections end when they are closed, and their locks with them."""
    import sqlalchemy

    return sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
    )
