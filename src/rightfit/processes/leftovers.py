"""Folders that a killed process has left: marked while they are in use, and swept by later runs.

The mark is a file that is locked as long as its process lives; the kernel releases the lock however
the process ends. What has no mark is never removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "rightfit-"
MARK = ".rightfit-in-use"
MIN_AGE_S = 1.0  # between the making of a mark and its lock


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Give a folder in the system's temporary folder while the block runs.

    Args:
        purpose: Part of its name.
    """
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{purpose}-") as folder, in_use(Path(folder)):
        yield Path(folder)


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Mark a folder while the block runs; without its end the folder is one to sweep."""
    mark = folder / MARK
    with mark.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        mark.unlink(missing_ok=True)


def sweep_temporary_folders() -> None:
    """Remove the temporary folders of processes of this user that were killed."""
    sweep_folders(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def sweep_folders(folders: Iterable[Path]) -> None:
    """Remove those of some folders whose processes were killed while they used them."""
    for folder in folders:
        with contextlib.suppress(OSError):  # another run sweeps too
            if _is_left(folder):
                shutil.rmtree(folder)
                logger.info("Removed %s, which a killed process had left.", folder)


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


def _is_left(folder: Path) -> bool:
    status = folder.lstat()
    is_own_folder = folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid()
    return is_own_folder and is_file_left(folder / MARK)
