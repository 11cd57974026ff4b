"""Families by import path; those that come with the library also by their short name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from rightfit.families.family import Family

BUILT_IN: Mapping[str, str] = {
    name: f"rightfit.families.{name}" for name in ("linear", "forest", "net", "boosting")
}
"""Import paths of the library's families, by name."""

ATTRIBUTE = "FAMILY"


def get_family(name: str) -> Family:
    """Return a family.

    Args:
        name: Import path of the module that holds it as ``FAMILY``, such as ``my_study.svm``; or
            the name of one of the library's.

    Raises:
        ValueError: If there is none.
    """
    path = BUILT_IN.get(name, name)
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(
            f"There is no model family {name!r}; the library has {sorted(BUILT_IN)}, any other is "
            "named by its import path, as in family: my_study.families.svm. Correct "
            "parameters_models.yml."
        )
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{path}.".startswith(f"{err.name}."):
            raise  # the family's module is there, and imports something that is not
        raise ValueError(
            f"There is no module {path!r} to hold a model family ({err}). Correct "
            "parameters_models.yml, or install the package it lies in."
        ) from err
    family: Family | None = getattr(module, ATTRIBUTE, None)
    if family is None:
        raise ValueError(f"The module {path} holds no family: it must define {ATTRIBUTE}.")
    return family
