"""Families by import path; those that a package declares also by name.

A **reference** names a family in one string: the import path of its module, or of a module whose
``FAMILY`` makes families and, after a colon, what to make one of. A module that is declared under
the entry points ``rightfit.families`` has a name in place of its path: ``sklearn:sklearn.svm.SVC``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from rightfit._core.errors import RightfitError
from rightfit._core.import_path import import_by_path
from rightfit._core.plugins import find_plugins

if TYPE_CHECKING:  # it imports numpy, which naming a family does not need
    from rightfit.models.served_family import ServedFamily

GROUP = "rightfit.families"
ATTRIBUTE = "FAMILY"


def name_path(reference: str) -> str:
    """Return a reference with an import path in place of a name.

    >>> name_path("sklearn:sklearn.svm.SVC").partition(":")[2]
    'sklearn.svm.SVC'
    """
    module, colon, argument = reference.partition(":")
    entry = None if "." in module else find_plugins(GROUP).get(module)
    return f"{module if entry is None else entry.value}{colon}{argument}"


def split_reference(reference: str) -> tuple[str, list[str]]:
    """Return the import path of a family's module, and the paths that it is made of.

    >>> split_reference("my_study.networks:my_study.nets.Net")
    ('my_study.networks', ['my_study.nets.Net'])
    """
    path, _, argument = name_path(reference).partition(":")
    return path, argument.split("+") if argument else []


def load_family(reference: str) -> ServedFamily:
    """Import a family.

    Raises:
        RightfitError: If there is none.
    """
    path, made_of = split_reference(reference)
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        raise RightfitError(
            f"There is no model family {reference!r}; the library has {list(find_plugins(GROUP))}, "
            "any other is named by its import path, as in family: my_study.families.svm.",
            key="models",
        )
    from rightfit.models.served_family import ServedFamily

    family = import_by_path(f"{path}.{ATTRIBUTE}", kind="model family", key="the model's family")
    if made_of and callable(family):
        family = _make_family(family, "+".join(made_of))
    if not isinstance(family, ServedFamily):
        raise RightfitError(
            f"{path}.{ATTRIBUTE} must be an object of a class that derives from rightfit.Family, "
            f"but is {family!r}.",
            key="models",
        )
    return family


@functools.cache
def _make_family(make: Callable[[str], object], made_of: str) -> object:
    """Make a family, once: the search asks for it at every step."""
    return make(made_of)
