"""Whether a run can write where it has to, looked at before its first node."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rightfit.guards.clear_errors import OF_THE_SYSTEM

LEAST_BYTES = 2**20  # that must fit on the disk: less does not hold the smallest result


def find_unwritable(paths: Iterable[Path]) -> list[str]:
    """Describe places that a run could not write to.

    The paths need not exist.

    Returns:
        One line for each folder.
    """
    folders = dict.fromkeys(_find_existing(path) for path in paths)
    return [fault for folder in folders if (fault := _try(folder))]


def _find_existing(path: Path) -> Path:
    """Return the nearest of a path's folders that exists."""
    for folder in (path, *path.parents):
        try:
            if os.path.lexists(folder):
                return folder
        except (OSError, ValueError):
            continue
    return path


def _try(place: Path) -> str | None:
    try:
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "", str(place))
        with tempfile.TemporaryFile(dir=place, prefix=".rightfit-") as file:
            file.write(bytes(LEAST_BYTES))
            file.flush()
    except OSError as err:
        cure = OF_THE_SYSTEM.get(err.errno or 0, f"{err.strerror}.")
        return f"{place} cannot be written: {cure}"
    return None
