"""Parameters of the evaluation stage, which measures candidates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from rightfit._core.strict_model import Seed, StrictModel, ThreadCount
from rightfit.data.request_path import RequestPath
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.models.runtimes import find_runtime
from rightfit.params.defaults import RawParameters
from rightfit.ranking.applications.applications import UNDER_LOAD, Applications


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
    presets: Presets  # how thoroughly each preset measures
    runtimes: tuple[RuntimeName, ...] = Field(min_length=1)
    n_threads: tuple[ThreadCount, ...] = Field(min_length=1)
    devices: tuple[Literal["cpu", "cuda"], ...] = Field(min_length=1)
    request_path: RequestPath  # of applications that name none
    final_share: float = Field(ge=0, le=0.9)  # of the test rows, that nothing is chosen by
    final_min_rows: int = Field(ge=1, le=10**9)  # fewer test rows are not divided
    mixed_environments: Literal["refuse", "label"]
    tiers: tuple[Tier, ...] = Field(min_length=1)  # the hardware ladder, smallest first
    seed: Seed  # of the order of measurements and the requests

    @property
    def settings(self) -> MeasuringSettings:
        """Settings of the chosen preset."""
        settings: MeasuringSettings = getattr(self.presets, self.preset)
        return settings

    @model_validator(mode="after")
    def _check(self) -> EvaluationParams:
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            raise ValueError(f"tiers must have different names, but got {names}.")
        return self


def find_preset_faults(parameters: RawParameters) -> Iterator[str]:
    """Describe applications that ask for what the preset does not measure.

    That is figures under load, or batch sizes.

    Blocks with faults of their own are left out.

    Yields:
        One line per fault, with the file to correct.
    """
    try:
        params = EvaluationParams.model_validate(parameters.get("evaluation"))
        applications = Applications.model_validate(parameters.get("applications"))
    except ValidationError:
        return
    for name, application in applications.items():
        if application.environment is not None:  # measured elsewhere
            continue
        sizes = application.batch_sizes
        if sizes and (fault := sizes.find_fault(name, params.settings.batch_sizes)):
            yield (
                f"{fault} by evaluation.preset {params.preset}. Ask for another size, or add it "
                f"to evaluation.presets.{params.preset}.batch_sizes"
            )
        if params.settings.server.n_processes == 0 and UNDER_LOAD in application.needed_metrics():
            yield (
                f"applications.{name} asks for {UNDER_LOAD}, but evaluation.preset "
                f"{params.preset} serves no requests at random, so no candidate would qualify. "
                "Name its rate (rate_per_s: 100), or take evaluation.preset: standard"
            )
