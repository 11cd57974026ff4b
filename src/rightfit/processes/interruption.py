"""Ctrl-C and SIGTERM end a command within seconds, and at once when they come twice.

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
import time
from collections.abc import Iterator

from rightfit.processes.leftovers import remove_own_folders, sweep_temporary_folders
from rightfit.processes.lifeline import list_descendants

GRACE_S = 1.0  # from the first signal to the end of all processes
RELEASE_S = 0.1  # in which the kernel releases the locks of what was killed
ENDING = (signal.SIGINT, signal.SIGTERM)
MS_PER_S = 1_000


@contextlib.contextmanager
def ending_on_interrupt() -> Iterator[None]:
    """End this process and all below it soon after Ctrl-C or SIGTERM while the block runs.

    Their temporary folders go with them. It changes nothing in a thread other than the main one,
    which gets no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen, note = os.pipe()
    os.set_blocking(note, False)
    before = signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    on_term = signal.signal(signal.SIGTERM, signal.default_int_handler)
    watch = threading.Thread(target=_watch, args=(seen,), name="interruption", daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_term)
        signal.set_wakeup_fd(before)
        os.close(note)  # which ends the thread


def _watch(seen: int) -> None:
    """Wait for a signal to end, then for another one or the end of the time allowed."""
    poll = select.poll()
    poll.register(seen, select.POLLIN)
    received: list[int] = []
    while len(received) < 2 and poll.poll(GRACE_S * MS_PER_S if received else None):
        numbers = os.read(seen, 64)
        if not numbers:
            os.close(seen)
            return
        received += [number for number in numbers if number in ENDING]
    for pid in list_descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    remove_own_folders()
    time.sleep(RELEASE_S)
    sweep_temporary_folders()
    sys.stderr.write("\nStopped. What was finished is kept; the same command continues.\n")
    os._exit(128 + received[0])
