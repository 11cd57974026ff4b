"""Parameters of the study of training costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightfit.strict_model import (
    MAX_COUNT,
    MAX_PROCESSES,
    MAX_THREADS,
    BatchSize,
    DelayShare,
    StrictModel,
)


class TrainingCostsParams(StrictModel):
    """Which batch sizes are trained, and for how long (``params:training_costs``)."""

    batch_sizes: tuple[BatchSize, ...] = Field(min_length=1)
    n_threads: int = Field(ge=1, le=MAX_THREADS)
    device: Literal["cpu", "cuda"]
    n_processes: int = Field(ge=1, le=MAX_PROCESSES)  # fresh processes of each batch size
    n_rows: int = Field(ge=256, le=MAX_COUNT)  # of one stretch
    min_steps: int = Field(ge=1, le=MAX_COUNT)  # of one stretch, for large batches
    max_delay_share: DelayShare
