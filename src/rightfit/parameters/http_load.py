"""Parameters of loading the winners over HTTP."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from rightfit.ranking.applications.applications import Scenario
from rightfit.strict_model import MAX_COUNT, MAX_MS, MAX_S, StrictModel


class HttpLoadParams(StrictModel):
    """Which winners are loaded, how hard and how long (``params:http_load``)."""

    scenarios: tuple[Scenario, ...]
    max_s: float = Field(ge=0, le=MAX_S)  # of a run; 0: off
    step_s: float = Field(gt=0, le=MAX_S)
    warm_up_s: float = Field(ge=0, le=MAX_S)
    client_factor: int = Field(ge=2, le=256)
    rate_shares: tuple[float, ...] = Field(min_length=1)  # of the capacity, rising
    n_beyond: int = Field(ge=0, le=100)
    n_refinements: int = Field(ge=0, le=100)
    max_stretch: float = Field(ge=1, le=1_000)
    p99_limit_ms: float = Field(gt=0, le=MAX_MS)
    n_requests: int = Field(ge=1, le=MAX_COUNT)

    @model_validator(mode="after")
    def _check_shares(self) -> HttpLoadParams:
        rising = all(low < high for low, high in pairwise((0.0, *self.rate_shares)))
        if not rising or not self.rate_shares[-1] <= 10:
            raise ValueError(
                "rate_shares must rise from above 0 to at most 10, but got "
                f"{list(self.rate_shares)}. Correct parameters_http_load.yml."
            )
        return self
