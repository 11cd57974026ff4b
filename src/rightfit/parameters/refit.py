"""Which winners are trained again, on all rows that are not for the test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightfit.strict_model import MAX_S, StrictModel


class RefitParams(StrictModel):
    """Which datasets' winners are refitted, and how long that may take (``params:refit``)."""

    when: Literal["newest_lost", "always", "never"]
    budget_s: float = Field(ge=0, le=MAX_S)  # of training per dataset, as expected from the search
