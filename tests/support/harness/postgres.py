"""A PostgreSQL server for one test or benchmark, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.storages import RDBStorage

from rightfit_search.searching.studies.study_store import _opened

HOW_TO_INSTALL = "PostgreSQL is not installed; on Debian: apt-get install postgresql"


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = folders[-1] if folders else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@dataclass(frozen=True)
class Postgres:
    """A server that can be stopped and started again.

    Args:
        url: URL of its database.
        control: ``pg_ctl`` with its folder.
        starting: More arguments to start it.
    """

    url: str
    control: list[str]
    starting: list[str]

    def start(self) -> None:
        """Start it; return when it answers."""
        _run([*self.control, *self.starting, "start"])

    def stop(self) -> None:
        """End it and its connections at once."""
        _run([*self.control, "--mode", "immediate", "stop"])

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()


@contextlib.contextmanager
def running_postgres(database: str) -> Iterator[str]:
    """Run a server with an empty database; yield its URL.

    Raises:
        RuntimeError: If PostgreSQL is not installed.
    """
    with serving_postgres(database) as server:
        yield server.url


@contextlib.contextmanager
def serving_postgres(database: str) -> Iterator[Postgres]:
    """Run a server with an empty database; yield it.

    Raises:
        RuntimeError: If PostgreSQL is not installed.
    """
    programs = find_postgres()
    if programs is None:
        raise RuntimeError(HOW_TO_INSTALL)
    # root may not run a server, and the user postgres can't read root's temporary folders
    is_root = os.geteuid() == 0
    user = ["runuser", "-u", "postgres", "--"] if is_root else []
    folder = Path(tempfile.mkdtemp(prefix="rightfit-postgres-"))
    port = _free_port()
    waiting = ["--wait", "--timeout", "600"]  # for a machine that is busy
    control = [*user, str(programs / "pg_ctl"), "--pgdata", str(folder / "data"), *waiting]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/{database}"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    server = Postgres(url, control, ["--log", str(folder / "log"), "--options", options])
    try:
        if is_root:
            postgres = pwd.getpwnam("postgres")
            os.chown(folder, postgres.pw_uid, postgres.pw_gid)
        initdb = [str(programs / "initdb"), "--auth", "trust", "--username", "postgres"]
        _run([*user, *initdb, "--no-sync", "--pgdata", str(folder / "data")])
        server.start()
        try:
            createdb = [str(programs / "createdb"), "--host", "127.0.0.1", "--port", str(port)]
            _run([*user, *createdb, "--username", "postgres", database])
            yield server
        finally:
            _close_connections(port)
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _close_connections(port: int) -> None:
    """Close what this process keeps open of a server: collected later, it would warn there."""
    for key, storage in list(_opened.items()):
        if isinstance(storage, RDBStorage) and f":{port}/" in str(key):
            del _opened[key]
            storage.remove_session()
            storage.engine.dispose()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command} failed: {done.stdout}{done.stderr}")
