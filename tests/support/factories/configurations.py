"""Configurations of families that no test knows by name."""

from __future__ import annotations

from typing import Any

from rightfit.params.defaults import read_default
from rightfit.searching.space import ModelBlock


def least_configuration(family: str) -> dict[str, Any]:
    """Return the fixed settings and the first value of each searched one."""
    params = ModelBlock.model_validate(read_default("models")[family])
    return {**params.fixed, **{name: item.grid(2)[0] for name, item in params.space.items()}}
