"""Folders that a killed process has left: marked while they are in use, and swept by later runs.

The mark is a file that is locked as long as its process lives; the kernel releases the lock however
the process ends. What has no mark is never removed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from rightfit._core.processes.file_locks import hold, is_left

logger = logging.getLogger(__name__)

PREFIX = "rightfit-"
MARK = ".rightfit-in-use"

_folders: set[Path] = set()  # temporary folders of this process


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Give a folder in the system's temporary folder while the block runs."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{purpose}-") as name, in_use(Path(name)):
        folder = Path(name)
        _folders.add(folder)
        try:
            yield folder
        finally:
            _folders.discard(folder)


def remove_own_folders() -> None:
    """Remove the temporary folders of this process, which is about to end."""
    for folder in tuple(_folders):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Mark a folder while the block runs; without its end the folder is one to sweep."""
    mark = folder / MARK
    with mark.open("wb") as file:
        hold(file)
        yield
        mark.unlink(missing_ok=True)


def sweep_temporary_folders() -> None:
    """Remove the temporary folders of processes of this user that were killed."""
    sweep_folders(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def sweep_folders(folders: Iterable[Path]) -> None:
    """Remove those of some folders whose processes were killed while they used them."""
    for folder in folders:
        with contextlib.suppress(OSError):  # another run sweeps too
            is_own = not folder.is_symlink() and folder.lstat().st_uid == os.getuid()
            if is_own and folder.is_dir() and is_left(folder / MARK):
                shutil.rmtree(folder)
                logger.info("Removed %s, which a killed process had left.", folder)
