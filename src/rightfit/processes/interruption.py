"""Ctrl-C ends a command within seconds, and at once when it is pressed twice.

Python hands the signal to the main thread, which may be in a library's code for minutes. So a
thread of its own sees the signal too, and kills what has not ended by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator

from rightfit.processes.lifeline import list_descendants

GRACE_S = 1.0  # from the first Ctrl-C to the end of all processes
EXIT_STATUS = 128 + signal.SIGINT
MS_PER_S = 1_000


@contextlib.contextmanager
def ending_on_interrupt() -> Iterator[None]:
    """End this process and all below it soon after a Ctrl-C that comes while the block runs.

    It changes nothing in a thread other than the main one, which gets no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen, note = os.pipe()
    os.set_blocking(note, False)
    before = signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(seen,), name="interruption", daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(note)  # which ends the thread


def _watch(seen: int) -> None:
    """Wait for Ctrl-C, then for another one or the end of the time allowed."""
    poll = select.poll()
    poll.register(seen, select.POLLIN)
    is_interrupted = False
    while True:
        if not poll.poll(GRACE_S * MS_PER_S if is_interrupted else None):
            break
        numbers = os.read(seen, 64)
        if not numbers:
            os.close(seen)
            return
        n_interrupts = numbers.count(signal.SIGINT)
        if n_interrupts + is_interrupted > 1:
            break
        is_interrupted = is_interrupted or n_interrupts > 0
    for pid in list_descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    sys.stderr.write("\nStopped. What was finished is kept; the same command continues.\n")
    os._exit(EXIT_STATUS)
