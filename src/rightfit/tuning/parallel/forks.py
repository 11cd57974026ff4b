"""The process that forks others: started once, asked for each, ended with the run.

It imports for seconds, so a run starts it before it needs a process, and keeps it: the searches and
the refits come out of the same one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator

from rightfit.processes.lifeline import end_tree
from rightfit.processes.starting import run_module, share_imports
from rightfit.profiling.measuring.worker_pool import THREAD_VARIABLES
from rightfit.tuning.parallel.messages import Channel

UNKNOWN = 255  # in place of a family's position: one that was not named at the start


class ForkServer:
    """A started process that forks others (see ``fork_server.py``); its end is theirs.

    Args:
        families: Import paths of the families whose libraries it imports, in this order unless
            a process of another one is asked for first.
        n_threads: Threads that the libraries may use; ``None``: as many as they like.
    """

    def __init__(self, families: Iterable[str], n_threads: int | None) -> None:
        self.n_threads = n_threads
        self._families = list(dict.fromkeys(families))
        limits = {} if n_threads is None else dict.fromkeys(THREAD_VARIABLES, str(n_threads))
        # families and rules may lie where only this process looks, such as beside its script
        places = share_imports()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                run_module(
                    "rightfit.tuning.parallel.fork_server",
                    *(str(os.getpid()), str(theirs.fileno()), *self._families),
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | limits | places,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
            )

    @property
    def is_closed(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def fork(self, family: str) -> Channel:
        """Return the channel to a new process, which has the libraries of a family.

        Args:
            family: Its import path; one that was not named at the start is imported by the process.

        Raises:
            BrokenPipeError: If the process that forks has died.
        """
        is_known = family in self._families[:UNKNOWN]
        position = self._families.index(family) if is_known else UNKNOWN
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [bytes([position])], [theirs.fileno()])
        return Channel(ours)

    def signal(self, number: int) -> None:
        """Signal the process, not those it has forked: it may be importing."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End the process and all that it has forked."""
        end_tree(self._process.pid)
        self._process.wait()
        self._control.close()


_shared: list[ForkServer] = []


def shared_fork_server(families: Iterable[str], n_threads: int | None) -> ForkServer:
    """Return this process' fork server, another one if it has ended or has other threads.

    It is closed when the process ends. A family that it has not imported is imported by the
    processes that need it.

    Args:
        families: See :class:`ForkServer`.
        n_threads: As there; ``None`` if the processes limit their threads themselves.
    """
    if _shared and (_shared[0].is_closed or n_threads not in (None, _shared[0].n_threads)):
        close_shared_fork_server()
    if not _shared:
        _shared.append(ForkServer(families, n_threads))
        atexit.register(close_shared_fork_server)
    return _shared[0]


def close_shared_fork_server() -> None:
    """Close this process' fork server, if there is one; the next use starts another one."""
    atexit.unregister(close_shared_fork_server)
    while _shared:
        _shared.pop().close()


@contextlib.contextmanager
def forking(families: Iterable[str], n_threads: int | None) -> Iterator[ForkServer]:
    """Lend this process' fork server; an error ends it, and all that still work."""
    try:
        yield shared_fork_server(families, n_threads)
    except BaseException:
        close_shared_fork_server()
        raise
