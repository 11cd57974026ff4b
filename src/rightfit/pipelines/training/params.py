"""Typed parameters of the training stage; Kedro checks them before any node runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rightfit.tuning.space import ModelParams

__all__ = ["ModelParams", "TrainingParams"]


class TrainingParams(BaseModel):
    """Budget and rules of each cell's search (``params:training``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_trials: int = Field(gt=0)  # finished trials at which a search ends, over all runs
    timeout_s: float | None = Field(gt=0)  # wall seconds of all trials; null in the YAML: no limit
    n_checkpoints: int = Field(gt=0)
    sampler: Literal["tpe", "random", "grid"]
    n_grid_points: int = Field(gt=1)  # per range, for sampler: grid
    early_stopping: Literal["median", "none"]
    n_startup_trials: int = Field(ge=1)  # random trials; complete ones before any median stop
    n_candidates: int = Field(gt=0)  # per cell, at most
    n_threads: int | Literal["all"] = Field()
    device: Literal["cpu", "cuda", "auto"]
    seed: int = Field(ge=0)
