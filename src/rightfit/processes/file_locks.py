"""Locks on files that are being written: what nobody holds, a killed process has left."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MIN_AGE_S = 1.0  # between the making of a file and its lock


def hold(file: IO[Any]) -> None:
    """Lock a file that is being written, so that nobody takes it for a leftover.

    Where the file system has no locks, it stays without.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def is_file_left(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file that its writer locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return time.time() - os.fstat(descriptor).st_mtime >= MIN_AGE_S
    finally:
        os.close(descriptor)


@functools.cache
def this_machine() -> str:
    """Return a name that two processes share if they see the same kernel's locks."""
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    boot = boot_id.read_text().strip() if boot_id.exists() else "-"
    return f"{platform.node()}/{boot}"


@contextlib.contextmanager
def try_lock_file(path: Path, *, create: bool) -> Iterator[None]:
    """Lock a file while the block runs, without waiting.

    Raises:
        BlockingIOError: If another process holds it.
        FileNotFoundError: If it does not exist and ``create`` is false.
    """
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def holding_lock_file(path: Path) -> Iterator[None]:
    """Create and lock a file while the block runs, and remove it afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with try_lock_file(path, create=True):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
