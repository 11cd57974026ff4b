"""One lock for the whole machine: never two timings at once.

Two measurements at the same time slow each other down, whatever process or user started them. The
lock is ``flock`` on a file in the temporary directory: the kernel releases it when its holder
dies, so a crash can never block the next measurement.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

LOCK_NAME = "rightfit-timing.lock"
POLL_S = 0.02
LOG_AFTER_S = 5.0
LOG_EVERY_S = 30.0


def lock_path() -> Path:
    """Return the path of the machine-wide lock file."""
    return Path(tempfile.gettempdir()) / LOCK_NAME


@contextmanager
def machine_lock(
    path: Path,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[float]:
    """Hold the lock while the block runs; wait for it as long as another process times.

    Args:
        path: Lock file, see :func:`lock_path`; created when absent and never removed.
        clock_s: Monotonic clock in seconds.
        sleep: Waits for the given seconds.

    Yields:
        Seconds waited for the lock.
    """
    descriptor = _open(path)
    try:
        waited_s = _acquire(descriptor, path, clock_s, sleep)
        try:
            yield waited_s
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's file; locking it needs no right to write
        return os.open(path, os.O_RDONLY)
    if os.fstat(descriptor).st_uid == os.getuid():
        os.fchmod(descriptor, 0o666)  # the umask must not lock other users out
    return descriptor


def _acquire(
    descriptor: int, path: Path, clock_s: Callable[[], float], sleep: Callable[[float], None]
) -> float:
    start_s = clock_s()
    logged_s = start_s - LOG_EVERY_S + LOG_AFTER_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now_s = clock_s()
            if now_s - logged_s >= LOG_EVERY_S:
                logger.info("Waiting for another timing on this machine to end (%s).", path)
                logged_s = now_s
            sleep(POLL_S)
        else:
            return clock_s() - start_s
