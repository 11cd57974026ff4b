"""What the nodes make of parameters."""

from __future__ import annotations

import pytest
from handmade import LADDER
from pydantic import BaseModel, ValidationError

from rightfit.pipelines.reporting.nodes import read_tiers
from rightfit.profiling.hardware.tiers import Tier


class Validated(BaseModel):
    """Stands for the evaluation stage's own parameter model."""

    tiers: tuple[Tier, ...]


def test_tiers_are_read_before_and_after_kedro_validates_them() -> None:
    raw = {"tiers": [tier.model_dump() for tier in LADDER]}

    assert read_tiers(raw) == LADDER
    assert read_tiers(Validated(tiers=LADDER)) == LADDER


def test_faulty_tiers_are_refused() -> None:
    with pytest.raises(ValidationError, match="n_cores"):
        read_tiers({"tiers": [{"name": "micro", "n_cores": 0}]})
