"""Families by import path; those that come with the library also by their short name.

A **reference** names a family in one string: the import path of its module, or of a module whose
``FAMILY`` makes families and, after a colon, what to make one of: ``sklearn:sklearn.svm.SVC``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from rightfit._core.errors import RightfitError
from rightfit._core.import_path import import_by_path

if TYPE_CHECKING:  # it imports numpy, which naming a family does not need
    from rightfit.models.family import Family

BUILT_IN: Mapping[str, str] = {
    name: f"rightfit.models.{name}" for name in ("linear", "forest", "net", "boosting")
}
"""Import paths of the library's families, by name."""

LIBRARIES: Mapping[str, str] = {
    name: f"rightfit.models.libraries.{name}" for name in ("lightgbm", "xgboost", "catboost")
}
"""Import paths of the families whose libraries are extras, by name."""

MADE: Mapping[str, tuple[str, str]] = {
    "sklearn": ("rightfit.models.by_path.sklearn_estimators", "estimator"),
    "torch": ("rightfit.models.by_path.torch_modules", "module"),
}
"""Modules that make families, by name, and the key of a model's block that says of what."""

ATTRIBUTE = "FAMILY"


def refer_to_family(block: Mapping[str, Any]) -> str:
    """Return the reference of a model's family.

    Raises:
        RightfitError: If the block names no family, or not what to make it of.

    >>> refer_to_family({"family": "sklearn", "estimator": "sklearn.svm.SVC"})
    'sklearn:sklearn.svm.SVC'
    """
    family = block.get("family")
    if not isinstance(family, str):
        raise RightfitError(
            "family must be the import path of a family, as in family: rightfit.models.forest, "
            f"but got {family!r}"
        )
    if family not in MADE:
        return family
    key = MADE[family][1]
    value = block.get(key)
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
        raise RightfitError(
            f"family: {family} needs the key {key}, an import path, but got {value!r}"
        )
    return f"{family}:{'+'.join(paths)}"


def split_reference(name: str) -> tuple[str, list[str]]:
    """Return the import path of a family's module, and the paths that it is made of.

    >>> split_reference("sklearn:sklearn.svm.SVC")
    ('rightfit.models.by_path.sklearn_estimators', ['sklearn.svm.SVC'])
    """
    module, _, argument = name.partition(":")
    path = MADE[module][0] if module in MADE else {**BUILT_IN, **LIBRARIES}.get(module, module)
    return path, argument.split("+") if argument else []


def get_family(name: str) -> Family:
    """Return a family.

    Args:
        name: Import path of the module that holds it as ``FAMILY``, such as ``my_study.svm``; the
            name of one of the library's; or a reference, see :func:`refer_to_family`.

    Raises:
        RightfitError: If there is none.
    """
    path, made_of = split_reference(name)
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        raise RightfitError(
            f"There is no model family {name!r}; the library has "
            f"{sorted({*BUILT_IN, *LIBRARIES, *MADE})}, any other is named by its "
            "import path, as in family: my_study.families.svm. Correct parameters_models.yml."
        )
    from rightfit.models.family import ServedFamily

    family = import_by_path(
        f"{path}.{ATTRIBUTE}", kind="model family", key="family in parameters_models.yml"
    )
    if made_of and callable(family):
        family = _make_family(family, "+".join(made_of))
    if not isinstance(family, ServedFamily):
        raise RightfitError(
            f"{path}.{ATTRIBUTE} must be an object of a class that derives from rightfit.Family, "
            f"but is {family!r}. Correct parameters_models.yml."
        )
    return cast("Family", family)  # imported models' are only served


@functools.cache
def _make_family(make: Callable[[str], object], made_of: str) -> object:
    """Make a family, once: the search asks for it at every step."""
    return make(made_of)
