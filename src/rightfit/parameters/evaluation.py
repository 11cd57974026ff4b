"""Parameters of the evaluation stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.request_path.paths import RequestPath


class Presets(BaseModel):
    """How thoroughly to measure, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quick: MeasuringSettings
    standard: MeasuringSettings
    publish: MeasuringSettings


class EvaluationParams(BaseModel):
    """Which serving configurations are measured, and how (``params:evaluation``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["quick", "standard", "publish"]
    presets: Presets
    runtimes: tuple[Literal["native", "onnx", "onnx_int8"], ...] = Field(min_length=1)
    n_threads: tuple[int | Literal["all"], ...] = Field(min_length=1)
    devices: tuple[Literal["cpu", "cuda"], ...] = Field(min_length=1)
    request_path: RequestPath  # of applications that name none
    mixed_environments: Literal["refuse", "label"]
    tiers: tuple[Tier, ...] = Field(min_length=1)
    seed: int

    @property
    def settings(self) -> MeasuringSettings:
        """Settings of the chosen preset."""
        settings: MeasuringSettings = getattr(self.presets, self.preset)
        return settings

    @model_validator(mode="after")
    def _check(self) -> EvaluationParams:
        faults = []
        too_few = [n for n in self.n_threads if n != "all" and n < 1]
        if too_few:
            faults.append(f"n_threads must be 1 or more, or 'all', but got {too_few}")
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            faults.append(f"tiers must have different names, but got {names}")
        if faults:
            raise ValueError("; ".join(faults) + ". Correct parameters_evaluation.yml.")
        return self
