"""The process that forks others: started once, asked for each, ended with the run.

It imports for seconds, so a run starts it before it needs a process, and keeps it: the searches and
the refits come out of the same one.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterable, Iterator

from rightfit.processes.starting import ForkServer, limit_threads
from rightfit.tuning.search.tasks import KINDS

_shared: list[tuple[ForkServer, int | None]] = []  # with the threads of its libraries


def start_fork_server(families: Iterable[str], n_threads: int | None) -> ForkServer:
    """Start a fork server.

    Args:
        families: Import paths of the families whose libraries it imports, in this order unless
            a process of another one is asked for first.
        n_threads: Threads that the libraries may use; ``None``: as many as they like.
    """
    return ForkServer(
        *("rightfit.tuning.parallel.worker", *dict.fromkeys(families)),
        kinds=KINDS,
        variables={} if n_threads is None else limit_threads(n_threads),
    )


def shared_fork_server(families: Iterable[str], n_threads: int | None) -> ForkServer:
    """Return this process' fork server, another one if it has ended or has other threads.

    It is closed when the process ends. A family that it has not imported is imported by the
    processes that need it.

    Args:
        families: See :func:`start_fork_server`.
        n_threads: As there; ``None`` if the processes limit their threads themselves.
    """
    for server, n_given in _shared:
        if not server.is_closed and n_threads in (None, n_given):
            return server
    close_shared_fork_server()
    _shared.append((start_fork_server(families, n_threads), n_threads))
    atexit.register(close_shared_fork_server)
    return _shared[0][0]


def close_shared_fork_server() -> None:
    """Close this process' fork server, if there is one; the next use starts another one."""
    atexit.unregister(close_shared_fork_server)
    while _shared:
        server, _ = _shared.pop()
        server.close()


@contextlib.contextmanager
def forking(families: Iterable[str], n_threads: int | None) -> Iterator[ForkServer]:
    """Lend this process' fork server; an error ends it, and all that still work."""
    try:
        yield shared_fork_server(families, n_threads)
    except BaseException:
        close_shared_fork_server()
        raise
