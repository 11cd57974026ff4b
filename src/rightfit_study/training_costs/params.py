"""Parameters of the study of training costs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rightfit._core.strict_model import (
    MAX_PROCESSES,
    MAX_S,
    BatchSize,
    StrictModel,
)

MAX_ROWS = 10**8  # of one process: minutes of training


class TrainingCostsParams(StrictModel):
    """Which batch sizes are trained, and for how long (``params:training_costs``)."""

    batch_sizes: tuple[BatchSize, ...] = Field(min_length=1)
    device: Literal["cpu", "cuda"]
    n_processes: int = Field(ge=1, le=MAX_PROCESSES)  # fresh processes of each batch size
    n_rows: int = Field(ge=256, le=MAX_ROWS)  # of one stretch
    min_steps: int = Field(ge=1, le=10_000)  # of one stretch, for large batches
    max_waiting_share: float = Field(gt=0, le=1)  # of the wall time; waited more: disturbed
    answer_max_s: float = Field(gt=0, le=MAX_S)  # for one stretch; its process is killed then

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        n_rows = max(self.batch_sizes) * self.min_steps
        if n_rows > MAX_ROWS:
            raise ValueError(
                f"min_steps={self.min_steps} of the largest of batch_sizes would train on "
                f"{n_rows:,} rows in each process; at most {MAX_ROWS:,} are sensible"
            )
        return self
