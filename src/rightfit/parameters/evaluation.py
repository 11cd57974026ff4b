"""Parameters of the evaluation stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rightfit.families.runtimes import find_runtime
from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.request_path.paths import RequestPath
from rightfit.strict_model import Seed, StrictModel, ThreadCount


def _check_runtime(name: str) -> str:
    find_runtime(name)
    return name


RuntimeName = Annotated[str, AfterValidator(_check_runtime)]


class Presets(StrictModel):
    """How thoroughly to measure, by name."""

    quick: MeasuringSettings
    standard: MeasuringSettings
    publish: MeasuringSettings


class EvaluationParams(StrictModel):
    """Which serving configurations are measured, and how (``params:evaluation``)."""

    preset: Literal["quick", "standard", "publish"]
    presets: Presets
    runtimes: tuple[RuntimeName, ...] = Field(min_length=1)
    n_threads: tuple[ThreadCount, ...] = Field(min_length=1)
    devices: tuple[Literal["cpu", "cuda"], ...] = Field(min_length=1)
    request_path: RequestPath  # of applications that name none
    final_share: float = Field(ge=0, le=0.9)  # of the test rows, that nothing is chosen by
    final_min_rows: int = Field(ge=1, le=10**9)  # fewer test rows are not divided
    mixed_environments: Literal["refuse", "label"]
    tiers: tuple[Tier, ...] = Field(min_length=1)
    seed: Seed

    @property
    def settings(self) -> MeasuringSettings:
        """Settings of the chosen preset."""
        settings: MeasuringSettings = getattr(self.presets, self.preset)
        return settings

    @model_validator(mode="after")
    def _check(self) -> EvaluationParams:
        faults = []
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            faults.append(f"tiers must have different names, but got {names}")
        if faults:
            raise ValueError("; ".join(faults) + ". Correct parameters_evaluation.yml.")
        return self
