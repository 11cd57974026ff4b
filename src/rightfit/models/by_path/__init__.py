"""Families of whatever the configuration names: an estimator or a torch module by import path."""

from __future__ import annotations

import importlib
from typing import Any

from rightfit._core.errors import RightfitError


def import_by_path(path: str, *, key: str) -> Any:
    """Import a class or function.

    Raises:
        RightfitError: If there is no such module, or nothing of that name in it.
    """
    library, _, name = path.rpartition(".")
    remedy = f"Correct {key} in parameters_models.yml, or install the package it lies in."
    if not library or path.startswith("."):
        raise RightfitError(f"{key} must be an import path with a dot, but got {path!r}. {remedy}")
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{library}.".startswith(f"{err.name}."):
            raise  # the module is there, and imports something that is not
        raise RightfitError(f"There is no module {library!r} ({err}). {remedy}") from err
    if not hasattr(module, name):
        raise RightfitError(f"The module {library} has no {name!r}. {remedy}")
    return getattr(module, name)
