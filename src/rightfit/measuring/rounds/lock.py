"""One lock for the whole machine: never two timings at once.

Two measurements at the same time slow each other down, whatever process, project or user started
them. The lock is ``flock`` on a file that all of them know by one path. The kernel releases it when
its holder dies, so a crash can never block the next measurement.

Nothing takes it from a process that is stopped, hangs, or means harm, so nobody waits for ever: a
process that holds it and does not measure has lost it after a while. The others then time without
it. So they do where another user's file keeps them out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rightfit._core.processes.file_locks import (
    acquire,
    find_holder,
    is_stopped,
    name_process,
    release,
)
from rightfit._core.progress import waiting

logger = logging.getLogger(__name__)

# The same for all projects and users of a host, whatever a project and its temporary folder are
# called. No project's name is part of it: a project made from the starter replaces that.
LOCK_PATH = Path("/tmp/model-timing.lock")  # noqa: S108 - must be the same for everybody
POLL_S = 0.02
LOG_AFTER_S = 5.0
LOOK_S = 1.0  # between two looks at the holder; longer waits than that are shown
STOPPED_MAX_S = 60.0  # for a process that a signal has stopped to go on
WAIT_MAX_S = 3_600.0  # the longest measurement holds it for half as long

_warned: set[Path] = set()
_lost: dict[Path, int | None] = {}  # by path, the process that holds it and has lost it
_logged: set[int | None] = set()  # holders that the log names already: it holds many times
_of_thread = threading.local()  # paths that this thread holds


@contextmanager
def machine_lock(
    path: Path = LOCK_PATH,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock while the block runs; wait for it as long as another process times.

    Where the path cannot be locked, or its holder has lost it, the block runs without, after a
    warning: what others take of the cores is told apart from the model's time, or marked. A thread
    that holds the lock may take it again.

    Args:
        path: Lock file; created when absent and never removed.
        clock_s: Monotonic clock in seconds.
        sleep: Waits for the given seconds.
    """
    locked_paths: set[Path] = vars(_of_thread).setdefault("paths", set())
    if path in locked_paths:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            descriptor = _open(path)
        except OSError as err:
            _warn_once(path, f"it must be a regular file that every user may read: {err}")
        else:
            stack.callback(os.close, descriptor)
            with waiting() as report:
                if _wait(path, descriptor, report, clock_s=clock_s, sleep=sleep):
                    stack.callback(release, descriptor)
        locked_paths.add(path)
        stack.callback(locked_paths.discard, path)
        yield


def _wait(
    lock_path: Path,
    descriptor: int,
    report: Callable[[str], None],
    *,
    clock_s: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Lock a file, or tell that its holder has lost it."""
    start_s = clock_s()
    look_s = 0.0
    while not acquire(descriptor, waits=False):
        waited_s = clock_s() - start_s
        if waited_s >= look_s:
            look_s = waited_s + LOOK_S
            holder = find_holder(descriptor)
            since_s = os.fstat(descriptor).st_mtime
            name = lock_path if holder is None else name_process(holder)
            if lock_path in _lost and _lost[lock_path] == holder:
                return False
            is_still = holder is not None and is_stopped(holder)
            if waited_s > (STOPPED_MAX_S if is_still else WAIT_MAX_S):
                _lost[lock_path] = holder
                _warn_once(lock_path, f"{name} holds it and does not measure")
                return False
            other = f"{name}, since {datetime.fromtimestamp(since_s).strftime('%H:%M:%S')}"
            if waited_s >= LOOK_S:
                report(other)
            if waited_s >= LOG_AFTER_S and holder not in _logged:
                _logged.add(holder)
                logger.warning(
                    "Waiting for another measurement on this machine to end: %s. Two at once would "
                    "slow each other down. To go on without it, end that process, measure on "
                    "another machine, or let quality alone decide (no applications).",
                    other,
                )
        sleep(POLL_S)
    _lost.pop(lock_path, None)
    with contextlib.suppress(OSError):  # a file that this user may only read
        os.utime(descriptor)  # since when
    return True


def _warn_once(path: Path, reason: str) -> None:
    if path not in _warned:
        _warned.add(path)
        logger.warning(
            "Timing without the machine-wide lock %s: %s. End that process, or remove the file, so "
            "that it is created anew; until then timings do not wait for each other.",
            path,
            reason,
        )


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
