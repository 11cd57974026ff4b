"""Models that misbehave, opened in measuring processes by attacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
SLEEPER = "import time; time.sleep(600)"


def open_misbehaving(*, fault: str, note: str = "") -> Callable[[], Callable[[Rows], Rows]]:
    """Return a loader of a model with one fault.

    Args:
        fault: A function of this module, called with ``note`` at the first call of the model.
        note: A path to leave a note at.
    """

    def open_model() -> Callable[[Rows], Rows]:
        is_done = []

        def call(rows: Rows) -> Rows:
            if not is_done:
                is_done.append(True)
                globals()[fault](note)
            return np.full((len(rows), 3), 1 / 3, dtype=np.float32)

        return call

    return open_model


def hang(note: str) -> None:
    """Never answer."""
    if note:
        Path(note).write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def hang_deaf(note: str) -> None:
    """Never answer, and ignore all signals that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    hang(note)


def die(_note: str) -> None:
    """End at once, as the kernel ends who takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker(note: str) -> None:
    """Kill the worker this process was forked from, the first time that this is done."""
    if not Path(note).exists():
        Path(note).touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(10)


def write_garbage(_note: str) -> None:
    """Write garbage to every descriptor that this process has inherited."""
    for descriptor in range(256):
        try:
            os.write(descriptor, b'{"Hello": 1}\n[]\n\xff\xfe garbage\n')
        except OSError:
            continue


def write_half(_note: str) -> None:
    """Write half a line to every descriptor, and hang."""
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, b'{"Ready": ')
        except OSError:
            continue
    hang("")


def stop_for_a_moment(note: str) -> None:
    """Be stopped by a signal, and go on 0.3 s later, or as many as the note says."""
    subprocess.Popen(["/bin/sh", "-c", f"sleep {note or 0.3}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)


def start_children(note: str) -> None:
    """Start a process, and one in a session of its own; note both."""
    started = [
        subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=is_apart)
        for is_apart in (False, True)
    ]
    Path(note).write_text(" ".join(str(process.pid) for process in started))


def hang_with_children(note: str) -> None:
    """Start what :func:`start_children` does, and never answer."""
    start_children(note)
    hang("")
