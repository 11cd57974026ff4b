"""Parameters of the experiment on early stopping."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RecordingParams(BaseModel):
    """What is trained to the end and measured (``params:early_stopping.recording``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_configurations: int = Field(ge=4)  # per cell, drawn at random
    n_snapshots: int = Field(ge=0)  # of them, also measured before the end of their training
    n_checkpoints: int = Field(ge=2)
    n_workers: int = Field(ge=1)  # trainings side by side, each on one thread
    runtimes: tuple[Literal["native", "onnx", "onnx_int8"], ...] = Field(min_length=1)
    n_threads: tuple[int | Literal["all"], ...] = Field(min_length=1)
    seed: int = Field(ge=0)


class ReplayParams(BaseModel):
    """How the recordings are replayed (``params:early_stopping.replay``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_orders: int = Field(ge=2)
    n_workers: int = Field(ge=1)
    seed: int = Field(ge=0)


class LiveParams(BaseModel):
    """Live searches at equal compute (``params:early_stopping.live``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_cpu_s: float = Field(gt=0)  # of each search
    seeds: tuple[int, ...] = Field(min_length=1)
