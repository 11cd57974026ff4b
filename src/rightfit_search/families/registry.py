"""Families that learn: the block of a model names one, see ``references.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from rightfit._core.errors import RightfitError
from rightfit._core.plugins import find_plugins
from rightfit.models.references import GROUP, load_family

if TYPE_CHECKING:  # it imports numpy, which naming a family does not need
    from rightfit_search.families.family import Family

MADE: Mapping[str, str] = {"sklearn": "estimator", "torch": "module"}
"""The key of a model's block that says what its family is made of, by the family's name."""


def refer_to_family(block: Mapping[str, Any]) -> str:
    """Return the reference of a model's family, by its name where it has one.

    Raises:
        RightfitError: If the block names no family, or not what to make it of.

    >>> refer_to_family({"family": "sklearn", "estimator": "sklearn.svm.SVC"})
    'sklearn:sklearn.svm.SVC'
    """
    family = block.get("family")
    if not isinstance(family, str):
        raise RightfitError(
            "family must be the name or import path of a family, as in family: forest, "
            f"but got {family!r}"
        )
    # what was learnt of a family (costs, priors) is kept by its name
    names = {entry.value: name for name, entry in find_plugins(GROUP).items()}
    family = names.get(family, family)
    if family not in MADE:
        return family
    key = MADE[family]
    value = block.get(key)
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
        raise RightfitError(
            f"family: {family} needs the key {key}, an import path, but got {value!r}"
        )
    return f"{family}:{'+'.join(paths)}"


def get_family(name: str) -> Family:
    """Return a family.

    Args:
        name: The name of one of the library's, ``forest``; the import path of the module that holds
            it as ``FAMILY``, such as ``my_study.svm``; or a reference, see :func:`refer_to_family`.

    Raises:
        RightfitError: If there is none.
    """
    return cast("Family", load_family(name))  # imported models' are only served
