"""Set aside a damaged file of studies: its search starts anew, and nothing is deleted."""

from __future__ import annotations

import logging
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

logger = logging.getLogger(__name__)

FOLDER = "damaged"


def set_aside_if_damaged(file: Path) -> None:
    """Move a damaged SQLite file away, with the bundles of the trials that it knew.

    A file that is gone or empty while there are bundles counts as damaged too: trials of a new
    search would be mixed with those of the old one.

    Args:
        file: The studies of one cell. Nobody else may open it meanwhile.
    """
    fault = _find_fault(file)
    if fault is None:
        return
    place = file.parent / FOLDER / datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")
    place.mkdir(parents=True)
    for path in file.parent.iterdir():
        if path.name != FOLDER and not path.name.startswith("."):
            path.rename(place / path.name)
    logger.warning("%s is damaged (%s). It is kept in %s; its search starts anew.",
                   file, fault, place)  # fmt: skip


def _find_fault(file: Path) -> str | None:
    if file.is_dir():
        return "it is a folder"
    if not file.exists() or file.stat().st_size == 0:
        has_bundles = any(
            path.is_dir() and path.name != FOLDER and not path.name.startswith(".")
            for path in file.parent.iterdir()
        )
        return "it is empty" if has_bundles else None
    try:
        with sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        connection.close()
    except sqlite3.OperationalError:
        return None  # locked or not readable: that is no damage
    except sqlite3.DatabaseError as err:
        return str(err)
    return None if found == "ok" else str(found)
