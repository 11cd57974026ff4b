"""Regular files alone are read: a pipe keeps its reader waiting, and a device may never end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from rightfit._core.errors import RightfitError

SPECIAL = "a pipe, a socket or a device"


def is_special(path: Path) -> bool:
    """Tell whether a path, or what a link there leads to, is a pipe, a socket or a device."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False  # who opens it will say so
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def find_special(path: Path) -> Iterator[Path]:
    """Yield what is no regular file of a file, or of a folder and all folders in it."""
    if is_special(path):
        yield path
    for folder, _, names in os.walk(path):
        yield from (path for path in (Path(folder, name) for name in names) if is_special(path))


def require_regular(path: Path) -> None:
    """Refuse what is no regular file; what is missing or a folder is left to who opens it.

    Raises:
        RightfitError: If it is a pipe, a socket or a device.
    """
    if is_special(path):
        raise RightfitError(f"{path} is {SPECIAL}; only regular files are read.")
