"""Locks on files that are being written: what nobody holds, a killed process has left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
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
