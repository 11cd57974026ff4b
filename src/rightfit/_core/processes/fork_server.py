"""A fork server: it has imported what others need, and forks one of them when asked.

Imports take seconds, a fork some hundredths of one, and forks share the memory of what was
imported. The forked process and the one that asked for it talk over a socket of their own, which
arrives with the request. ``starting.py`` holds the side that asks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rightfit._core.processes.channel import Channel, Kinds, name_kinds
from rightfit._core.processes.lifeline import end_children, end_with_parent

END_MAX_S = 2.0  # for a process to end by itself
END_LOOK_S = 0.001


@dataclass(frozen=True)
class Fork:
    """Fork a process that has the imports of a key; the server does not answer."""

    key: str


@dataclass(frozen=True)
class End:
    """Wait until a forked process has ended, kill it if it does not, and answer :class:`Left`."""

    pid: int


@dataclass(frozen=True)
class Left:
    """A forked process has ended, and all that it had started."""

    status: int  # negative for a signal's number


SERVER_KINDS = name_kinds(Fork, End, Left)


def connect_to_parent(kinds: Kinds) -> tuple[Channel, list[str]]:
    """Return the channel to the process that started this one, and its further arguments.

    It began this process with :func:`rightfit._core.processes.starting.start_module`.
    """
    _, descriptor, *arguments = sys.argv[1:]
    end = socket.socket(fileno=int(descriptor))
    return Channel(end, kinds, takes_descriptors=True), arguments


def serve_forks(
    control: Channel,
    work: Callable[[Channel], int],
    kinds: Kinds,
    *,
    keys: Sequence[str] = (),
    load: Callable[[str], None] = lambda _: None,
) -> None:
    """Fork until the parent closes its end.

    Args:
        control: To the parent.
        work: What a forked process does with its own channel; returns its exit status.
        kinds: Classes of the records that may arrive at that.
        keys: Names of imports, each carried out once: while nobody asks, or when it is asked for.
            A key that is none of them is left to the forked process.
        load: Imports what a key names.
    """
    server, missing = os.getpid(), list(keys)
    children: set[int] = set()
    while True:
        if missing and not control.has_more():
            load(missing.pop(0))
            continue
        request = control.receive()
        if isinstance(request, Fork):
            if request.key in missing:
                missing.remove(request.key)
                load(request.key)
            descriptor = control.receive_descriptor()
            pid = os.fork()
            if pid == 0:
                control.close()
                _run(work, server, Channel(socket.socket(fileno=descriptor), kinds))
            os.close(descriptor)  # a copy here would hide the end of the process
            children.add(pid)
        elif isinstance(request, End):
            children.discard(request.pid)
            status = _await_end(request.pid)
            end_children(keep=children)
            control.send(Left(status))
        else:
            return


def _run(work: Callable[[Channel], int], server: int, channel: Channel) -> None:
    """Work in a process group of its own, so that it is stopped with all that it has started."""
    status = 1
    try:
        os.setpgid(0, 0)
        end_with_parent(server)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        status = work(channel)
    finally:
        os._exit(status)  # no clean-up of what the server still owns


def _await_end(pid: int) -> int:
    """Wait for a process; return its exit status, negative for a signal's number."""
    end_s = time.monotonic() + END_MAX_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end_s:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(END_LOOK_S)
