"""Classes and functions that a configuration names by import path."""

from __future__ import annotations

import importlib
from typing import Any

from rightfit._core.errors import RightfitError


def import_by_path(path: str, *, kind: str, key: str) -> Any:
    """Import what a path with dots names.

    Args:
        path: A module's name, a dot, and a name in it.
        kind: What it should be, for messages.
        key: Where the path is written.

    Raises:
        RightfitError: If there is no such module, or nothing of that name in it.

    >>> import_by_path("math.sqrt", kind="metric", key="quality.name")(4)
    2.0
    """
    module_name, _, name = path.rpartition(".")
    remedy = f"Correct {key}, or install the package that it lies in."
    if not module_name or path.startswith("."):
        raise RightfitError(f"A {kind} has an import path with a dot, not {path!r:.80}. {remedy}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{module_name}.".startswith(f"{err.name}."):
            raise  # the module is there, and imports something that is not
        raise RightfitError(
            f"There is no module {module_name!r} to hold a {kind} ({err}). {remedy}"
        ) from err
    if not hasattr(module, name):
        raise RightfitError(f"The module {module_name} has no {name!r}. {remedy}")
    return getattr(module, name)
