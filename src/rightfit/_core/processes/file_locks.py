"""Locks on files (``flock``): the kernel releases them however their holder ends.

What nobody holds, a killed process has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rightfit._core.formatting import clean_text

MAX_NAME = 80  # characters of a process' command
MIN_AGE_S = 1.0  # between the making of a file and its lock


def acquire(file: IO[Any] | int, *, waits: bool = True) -> bool:
    """Lock an open file; tell whether it is locked now.

    Args:
        file: The file, or its descriptor.
        waits: Whether to wait while another process holds it.

    Raises:
        OSError: If the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def find_holder(file: IO[Any] | int) -> int | None:
    """Return the process that holds a file's lock; ``None`` where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        number = os.fstat(file if isinstance(file, int) else file.fileno()).st_ino
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            _, kind, _, _, process, inode, *_ = line.split()
            if kind == "FLOCK" and int(inode.rpartition(":")[2]) == number and int(process) > 0:
                return int(process)
    return None


def name_process(pid: int) -> str:
    """Name a process: its number, command and working directory, as far as the system tells them.

    Of the code after ``-c`` nothing is shown.
    """
    command, folder = "", ""
    with contextlib.suppress(OSError):
        arguments = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
        words = arguments.split("\0")
        if "-c" in words:
            words = [*words[: words.index("-c") + 1], "…"]
        command = f", {' '.join(words).strip()[:MAX_NAME]}"
    with contextlib.suppress(OSError):  # another user's is not told
        folder = f" in {Path('/proc', str(pid), 'cwd').readlink()}"
    return clean_text(f"process {pid}{command}{folder}")


def is_stopped(pid: int) -> bool:
    """Tell whether a signal has stopped a process, as Ctrl-Z does."""
    with contextlib.suppress(OSError, IndexError):
        status = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        return status.rpartition(")")[2].split()[0] in "Tt"
    return False


def release(file: IO[Any] | int) -> None:
    """Unlock an open file, also where a process that was forked meanwhile holds a copy."""
    fcntl.flock(file, fcntl.LOCK_UN)


def hold(file: IO[Any] | int) -> None:
    """Lock a file that is being written, so that nobody takes it for a leftover.

    Where the file system has no locks, it stays without.
    """
    with contextlib.suppress(OSError):
        acquire(file)


@contextlib.contextmanager
def holding_folder(folder: Path) -> Iterator[None]:
    """Lock a folder that is being filled, as :func:`hold` locks a file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hold(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_left(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file or folder that its writer locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        is_free = acquire(descriptor, waits=False)
        return is_free and time.time() - os.fstat(descriptor).st_mtime >= MIN_AGE_S
    except OSError:
        return False
    finally:
        os.close(descriptor)
