"""Configurations of families that no test knows by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rightfit.tuning.search.space import ModelBlock

MODELS = Path(__file__).parents[2] / "conf" / "base" / "parameters_models.yml"


def least_configuration(family: str) -> dict[str, Any]:
    """Return the fixed settings and the first value of each searched one."""
    described = yaml.safe_load(MODELS.read_text())["models"][family]
    params = ModelBlock.model_validate(described)
    return {**params.fixed, **{name: item.grid(2)[0] for name, item in params.space.root.items()}}
