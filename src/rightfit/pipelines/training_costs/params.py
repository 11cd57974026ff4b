"""Parameters of the study of training costs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrainingCostsParams(BaseModel):
    """Which batch sizes are trained, and for how long (``params:training_costs``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_sizes: tuple[int, ...] = Field(min_length=1)
    n_threads: int = Field(ge=1)
    device: Literal["cpu", "cuda"]
    n_processes: int = Field(ge=1)  # fresh processes of each batch size
    n_rows: int = Field(ge=256)  # of one stretch
    min_steps: int = Field(ge=1)  # of one stretch, for large batches
    max_delay_share: float = Field(gt=0)
    answer_max_s: float = Field(gt=0)  # for one stretch; its process is killed then
