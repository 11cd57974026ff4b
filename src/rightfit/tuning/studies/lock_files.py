"""Lock files that the kernel releases when the process that holds them ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import platform
from collections.abc import Iterator
from pathlib import Path


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
