"""Check the models of a study against their families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightfit.families.registry import get_family
from rightfit.tuning.search.space import ModelBlock


def check_families(parameters: Mapping[str, Any], families: Mapping[str, str]) -> None:
    """Check what no single block can tell: families, their settings and the checkpoints.

    Args:
        parameters: All parameters, as the configuration holds them.
        families: Import path of each model's family, by the model's name.

    Raises:
        ValueError: Naming the first family that does not fit.
    """
    for name, path in families.items():
        params = ModelBlock.model_validate(parameters["models"][name])
        try:
            family = get_family(path)
            params.check_family(family, n_checkpoints=parameters["training"]["n_checkpoints"])
        except ValueError as err:
            raise ValueError(f"models.{name}: {err}") from err
