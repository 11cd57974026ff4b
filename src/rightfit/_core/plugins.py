"""Parts that other packages add to the core, found by entry points of installed distributions.

A package declares a part in its ``pyproject.toml``, under a group such as ``rightfit.faces``:
``name = "package.module:attribute"``. A part is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.extras import EXTRAS, require
from rightfit._core.spelling import suggest


@cache
def find_plugins(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group by name, sorted; none is imported.

    >>> "rightfit" in find_plugins("console_scripts")
    True
    """
    # reads the metadata of every distribution: some 10 ms, once for a group and process
    return {entry.name: entry for entry in sorted(entry_points(group=group))}


def load_plugins(group: str, *, purpose: str) -> dict[str, Any]:
    """Import all parts of a group; see :func:`load_plugin`."""
    return {name: load_plugin(group, name, purpose=purpose) for name in find_plugins(group)}


def load_plugin(group: str, name: str, *, purpose: str) -> Any:
    """Import a part that a package adds.

    Args:
        group: The group of entry points.
        name: The part's name.
        purpose: What needs the part; it begins an error's sentence.

    Raises:
        RightfitError: If no installed package adds the part, or a library that it imports is
            missing and an extra brings it; names the extra.
    """
    known = find_plugins(group)
    if name not in known:
        raise RightfitError(
            f"{purpose} needs {name!r}, which no installed package adds to {group}"
            f"{suggest(name, known)}"
        )
    try:
        return known[name].load()
    except ModuleNotFoundError as err:
        if err.name is not None and err.name.partition(".")[0] in EXTRAS:
            require(err.name, purpose=purpose)
        raise
