"""Parameters of the experiment on early stopping."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rightfit._core.strict_model import (
    MAX_CHECKPOINTS,
    MAX_PROCESSES,
    Seed,
    StrictModel,
    ThreadCount,
)
from rightfit.measuring.rounds.presets import MeasuringSettings


class RecordingParams(StrictModel):
    """What is trained to the end and measured (``early_stopping.recording``)."""

    n_configurations: int = Field(ge=4, le=100_000)  # per cell, drawn at random
    n_snapshots: int = Field(ge=0, le=100_000)  # of them, also measured during their training
    n_checkpoints: int = Field(ge=2, le=MAX_CHECKPOINTS)
    n_jobs: int = Field(ge=1, le=MAX_PROCESSES)  # trainings side by side, each on one thread
    runtimes: tuple[Literal["native", "onnx", "onnx_int8"], ...] = Field(min_length=1)
    n_threads: tuple[ThreadCount, ...] = Field(min_length=1)
    seed: Seed
    measuring: MeasuringSettings  # of each finished model

    @model_validator(mode="after")
    def _check_snapshots(self) -> Self:
        if self.n_snapshots > self.n_configurations:
            raise ValueError(
                f"n_snapshots={self.n_snapshots} exceeds n_configurations={self.n_configurations}"
            )
        return self


class ReplayParams(StrictModel):
    """How the recordings are replayed (``early_stopping.replay``)."""

    n_orders: int = Field(ge=2, le=10_000)
    n_jobs: int = Field(ge=1, le=MAX_PROCESSES)
    seed: Seed


class EarlyStoppingParams(StrictModel):
    """The whole block (``params:early_stopping``)."""

    recording: RecordingParams
    replay: ReplayParams
