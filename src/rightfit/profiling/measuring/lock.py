"""One lock for the whole machine: never two timings at once.

Two measurements at the same time slow each other down, whatever process, project or user started
them. The lock is ``flock`` on a file that all of them know by one path. The kernel releases it when
its holder dies, so a crash can never block the next measurement.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rightfit.processes.file_locks import acquire, name_holder, release

logger = logging.getLogger(__name__)

# The same for all projects and users of a host, whatever a project and its temporary folder are
# called. No project's name is part of it: a project made from the starter replaces that.
LOCK_PATH = Path("/tmp/model-timing.lock")  # noqa: S108 - must be the same for everybody
POLL_S = 0.02
LOG_AFTER_S = 5.0
LOG_EVERY_S = 30.0

_warned: set[Path] = set()
_held = threading.local()  # paths that this thread holds


@contextmanager
def machine_lock(
    path: Path = LOCK_PATH,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock while the block runs; wait for it as long as another process times.

    Where the path holds something that cannot be locked, the block runs without the lock, after a
    warning: disturbed timings are marked anyway. A thread that holds the lock may take it again.

    Args:
        path: Lock file; created when absent and never removed.
        clock_s: Monotonic clock in seconds.
        sleep: Waits for the given seconds.
    """
    held: set[Path] = vars(_held).setdefault("paths", set())
    if path in held:
        yield
        return
    try:
        descriptor = _open(path)
    except OSError as err:
        if path not in _warned:
            _warned.add(path)
            logger.warning(
                "Timing without the machine-wide lock: %s must be a regular file that every user "
                "may read, but: %s. Remove it, so that it is created anew.",
                *(path, err),
            )
        yield
        return
    try:
        start_s = clock_s()
        logged_s = start_s - LOG_EVERY_S + LOG_AFTER_S
        while not acquire(descriptor, waits=False):
            now_s = clock_s()
            if now_s - logged_s >= LOG_EVERY_S:
                logger.info(
                    "Waiting for another timing on this machine to end, %.0f s so far: %s.",
                    now_s - start_s,
                    name_holder(descriptor) or path,
                )
                logged_s = now_s
            sleep(POLL_S)
        held.add(path)
        yield
    finally:
        held.discard(path)
        release(descriptor)
        os.close(descriptor)


def _open(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        descriptor = os.open(path, flags | os.O_RDONLY)  # locking needs no right to write
    else:
        os.fchmod(descriptor, 0o666)  # the umask must not lock other users out
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return descriptor
