"""Typed parameters of the training stage; Kedro checks them before any node runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rightfit.models.families import get_family
from rightfit.tuning.space import ModelParams

__all__ = ["ModelParams", "TrainingParams", "check_families"]


class TrainingParams(BaseModel):
    """Budget and rules of each cell's search (``params:training``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # a search ends at the first limit it reaches, over all runs; null in the YAML: no limit
    n_trials: int | None = Field(gt=0)  # finished trials
    budget_cpu_s: float | None = Field(gt=0)  # CPU seconds of the finished trials
    budget_wall_s: float | None = Field(gt=0)  # wall seconds with a trial running
    n_workers: int = Field(gt=0)  # processes per search
    n_retries: int = Field(ge=0)  # of a configuration whose worker died
    n_checkpoints: int = Field(gt=0)
    sampler: Literal["tpe", "random", "grid"]
    n_grid_points: int = Field(gt=1)  # per range, for sampler: grid
    early_stopping: Literal["median", "successive_halving", "hyperband", "none"]
    n_startup_trials: int = Field(ge=1)  # random trials; complete ones before any median stop
    n_candidates: int = Field(gt=0)  # per cell, at most
    n_threads: int | Literal["all"]
    device: Literal["cpu", "cuda", "auto"]
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _check_budget(self) -> TrainingParams:
        if self.n_trials is self.budget_cpu_s is self.budget_wall_s is None:
            raise ValueError(
                "n_trials, budget_cpu_s and budget_wall_s are all null, so a search would never "
                "end. Give at least one of them in parameters_training.yml."
            )
        return self


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
