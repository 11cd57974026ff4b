"""The parameters of pausing; checking a configuration needs them and nothing else of it."""

from __future__ import annotations

from pydantic import Field

from rightfit._core.strict_model import MAX_COUNT, StrictModel


class PausingParams(StrictModel):
    """How much a step must promise (``params:training.pausing``)."""

    min_gain: float = Field(ge=0, le=1)  # utility promised for the cost of a whole trial
    cost_exponent: float = Field(gt=0, le=1)
    min_feasible_probability: float = Field(ge=0, lt=1)  # with less an application steers no more
    feasible_after_trials: int = Field(ge=1, le=MAX_COUNT)  # looked at before that is said
