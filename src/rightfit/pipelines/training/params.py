"""Typed parameters of the training stage; Kedro checks them before any node runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rightfit.families.registry import get_family
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.search.training_params import TrainingParams

__all__ = ["ModelParams", "TrainingParams", "check_families"]


def check_families(parameters: Mapping[str, Any], models: Iterable[str]) -> None:
    """Check what no single block can tell: families, their settings and the checkpoints.

    Args:
        parameters: All parameters, as the configuration holds them.
        models: Names of the families of the grid.

    Raises:
        ValueError: Naming the first family that does not fit.
    """
    for name in models:
        params = ModelParams.model_validate(parameters["models"][name])
        params.check_family(get_family(name), n_checkpoints=parameters["training"]["n_checkpoints"])
