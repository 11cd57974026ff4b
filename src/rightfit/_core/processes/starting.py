"""How Rightfit starts Python processes of its own: they import what this process can, no more.

Python puts the working directory first where it is given ``-m``: a ``json.py`` beside a model from
elsewhere would run. (``multiprocessing`` does not keep it out, and imports the program that called
it once more: docs/decisions/0027-own-fork-server.md.)
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import IO

from rightfit._core.processes.channel import Channel, Kinds
from rightfit._core.processes.fork_server import SERVER_KINDS, End, Fork
from rightfit._core.processes.lifeline import end_tree

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def run_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module, which imports nothing from the working directory."""
    return [sys.executable, "-P", "-m", name, *arguments]


def share_imports() -> dict[str, str]:
    """Return the variable that lets a process import what this one can, by whatever way.

    A notebook and an interactive session import from the working directory, so it does as well.
    """
    return {"PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}


def limit_threads(n_threads: int) -> dict[str, str]:
    """Return the variables by which libraries limit their threads; read when they are imported."""
    return dict.fromkeys(THREAD_VARIABLES, str(n_threads))


def start_module(
    name: str, *arguments: str, variables: Mapping[str, str], output: int | IO[str] | None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a module as a process and connect to it.

    It runs in a session of its own: Ctrl-C reaches this process alone, which ends the other.

    Args:
        name: Its import path. It is given this process' id, the descriptor of its end of the
            connection, and the arguments; see
            :func:`rightfit._core.processes.fork_server.connect_to_parent`.
        *arguments: Its further arguments.
        variables: Of its environment, beside this process' own.
        output: Where what it prints goes. No pipe: an unread one would fill up and block it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            run_module(name, str(os.getpid()), str(theirs.fileno()), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **share_imports(), **variables},
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    return process, ours


class ForkServer:
    """A started process that forks others (see ``fork_server.py``); its end is theirs.

    Args:
        module: What it runs.
        *arguments: Its arguments.
        kinds: Classes of the records that it and the forked processes send.
        variables: Of its environment, beside this process' own.
        output: Where what they print goes.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        kinds: Kinds,
        variables: Mapping[str, str],
        output: int | IO[str] = subprocess.DEVNULL,
    ) -> None:
        self._kinds = kinds
        self._start = partial(start_module, module, *arguments, variables=variables, output=output)
        self.start()

    def start(self) -> None:
        """Start the process, again where it has died; what it had forked has died with it."""
        self._counted_s = self._reported_s = 0.0
        self.process, end = self._start()
        self.control = Channel(end, {**SERVER_KINDS, **self._kinds})

    @property
    def is_closed(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process; tell whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.is_closed

    def take_cpu_s(self) -> float:
        """Return CPU seconds since the last call: its own, imports above all, and unreported ones.

        What a forked process has taken without reporting it counts once that has ended and was
        waited for. The result is negative where some of it is reported later.
        """
        import psutil

        before_s = self._counted_s
        with contextlib.suppress(psutil.Error):  # it has ended
            times = psutil.Process(self.process.pid).cpu_times()
            ended_s = times.children_user + times.children_system
            unreported_s = max(0.0, ended_s - self._reported_s)
            self._counted_s = times.user + times.system + unreported_s
        return self._counted_s - before_s

    def note_end(self, reported_cpu_s: float) -> None:
        """Note that a forked process ends, and which of its CPU seconds were counted already."""
        self._reported_s += reported_cpu_s

    def fork(self, key: str = "") -> Channel:
        """Return the channel to a new process, which has the imports of a key.

        Raises:
            BrokenPipeError: If the process that forks has died.
        """
        ours, theirs = socket.socketpair()
        channel = Channel(ours, self._kinds)
        try:
            self.control.send(Fork(key), descriptor=theirs.fileno())
        except BrokenPipeError:
            channel.close()
            raise
        finally:
            theirs.close()
        return channel

    def end(self, pid: int) -> None:
        """Have a forked process awaited or killed; the answer arrives at ``control``.

        Raises:
            BrokenPipeError: If the process that forks has died.
        """
        self.control.send(End(pid))

    def close(self) -> None:
        """Kill the process and all that it has forked."""
        if not self.is_closed:
            end_tree(self.process.pid)
            self.process.wait()
        self.control.close()
