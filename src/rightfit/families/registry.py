"""The families a study can choose from: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from rightfit.families import (
    boosting,
    forest,
    linear,
    net,
)
from rightfit.families.family import Family

FAMILIES: Mapping[str, Family] = {
    "linear": linear,
    "forest": forest,
    "net": net,
    "boosting": boosting.FAMILY,
}


def get_family(name: str) -> Family:
    """Return a family by name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in FAMILIES:
        raise ValueError(
            f"There is no model family {name!r}; there are {sorted(FAMILIES)}. Correct "
            "grid.models in parameters_grid.yml or register it in "
            "src/rightfit/families/registry.py."
        )
    return FAMILIES[name]
