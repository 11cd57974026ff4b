"""Settings of loading servers: which rates are tried, and of a run's winners how hard and long."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from rightfit.ranking.applications.applications import Scenario
from rightfit.strict_model import MAX_COUNT, MAX_MS, MAX_S, StrictModel


class CurvePlan(StrictModel):
    """Which rates are tried."""

    client_factor: int = Field(ge=2, le=256)  # from one number of clients to the next
    rate_shares: tuple[float, ...] = Field(min_length=1)  # of the capacity, rising
    n_beyond: int = Field(ge=0, le=100)  # further rates, while the server keeps up
    n_refinements: int = Field(ge=0, le=100)  # between the highest rate within the limit and next
    max_stretch: float = Field(ge=1, le=1_000)  # of a rate's time, to hold the limited percentile

    @model_validator(mode="after")
    def _check_shares(self) -> CurvePlan:
        rising = all(low < high for low, high in pairwise((0.0, *self.rate_shares)))
        if not rising or not self.rate_shares[-1] <= 10:
            raise ValueError(
                "rate_shares must rise from above 0 to at most 10, but got "
                f"{list(self.rate_shares)}. Correct parameters_http_load.yml."
            )
        return self


class HttpLoadParams(CurvePlan):
    """Which winners are loaded, how hard and how long (``params:http_load``)."""

    scenarios: tuple[Scenario, ...]
    max_s: float = Field(ge=0, le=MAX_S)  # of a run; 0: off
    step_s: float = Field(gt=0, le=MAX_S)
    warm_up_s: float = Field(ge=0, le=MAX_S)
    p99_limit_ms: float = Field(gt=0, le=MAX_MS)
    n_requests: int = Field(ge=1, le=MAX_COUNT)

    @property
    def key(self) -> dict[str, object]:
        """What a load curve depends on, as JSON types: not which winners get one."""
        return self.model_dump(mode="json", exclude={"scenarios", "max_s", "p99_limit_ms"})


THOROUGH = CurvePlan(
    client_factor=2,
    rate_shares=(0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0),
    n_beyond=8,
    n_refinements=3,
    max_stretch=4,
)
