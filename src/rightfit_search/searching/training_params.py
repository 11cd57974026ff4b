"""Parameters of the searches."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rightfit._core.strict_model import (
    MAX_CHECKPOINTS,
    MAX_PROCESSES,
    MAX_S,
    MAX_SIZE,
    Names,
    Seed,
    StrictModel,
    ThreadCount,
)
from rightfit.measuring.hardware.environment import usable_cores
from rightfit_search.searching.pausing.pausing_params import PausingParams
from rightfit_search.searching.stopping_rules import Stopping

SEARCH = __package__  # which has default values of the blocks models and training
MAX_TRIALS = 1_000_000
SAMPLER = r"^(tpe|random|grid|(\w+\.)+\w+)$"


def _check(sampler: str) -> str:
    if not re.match(SAMPLER, sampler):
        raise ValueError(
            "must be 'tpe', 'random', 'grid', or the import path of a sampler of Optuna, as in "
            f"optuna.samplers.GPSampler, but got {sampler!r}"
        )
    return sampler


class FinalTraining(StrictModel):
    """How candidates are trained once more before they are measured (``training.final``).

    The model that is measured, ranked and shipped has learnt from train and validation rows, with
    the settings and for the length that the validation rows chose.
    """

    learns_validation: bool  # false: candidates stay as the search has trained them
    never_for: Names = ()  # datasets whose validation rows must not be learnt from
    max_s: float = Field(ge=0, le=MAX_S)  # CPU seconds of one training; a longer one is left out

    def covers(self, dataset: str) -> bool:
        """Tell whether candidates of a dataset learn from its validation rows."""
        return self.learns_validation and dataset not in self.never_for


class TrainingParams(StrictModel):
    """Budget and rules of each cell's search (``params:training``)."""

    # a search ends at the first limit it reaches, over all runs; null in the YAML: no limit
    n_trials: int | None = Field(gt=0, le=MAX_TRIALS)  # configurations
    budget_cpu_s: float | None = Field(gt=0, le=MAX_S)  # CPU seconds that training usually takes
    budget_wall_s: float | None = Field(gt=0, le=MAX_S)  # wall seconds with a trial running
    patience: int | None = Field(gt=0, le=MAX_TRIALS)  # finished trials in a row without a gain
    n_jobs: int = Field(gt=0, le=MAX_PROCESSES)  # processes per search
    # a Dask scheduler whose workers train, in place of processes of this machine
    cluster: str | None = Field(default=None, pattern=r"^(tcp|tls|ucx|ws|wss)://\S+$")
    n_retries: int = Field(ge=0, le=100)  # of a configuration whose worker died
    n_checkpoints: int = Field(gt=0, le=MAX_CHECKPOINTS)
    # tpe, random, grid, or the import path of a class of Optuna: optuna.samplers.GPSampler
    sampler: Annotated[str, Field(json_schema_extra={"pattern": SAMPLER}), AfterValidator(_check)]
    n_grid_points: int = Field(gt=1, le=1000)  # per range, for sampler: grid
    early_stopping: Stopping
    n_startup_trials: int = Field(ge=1, le=MAX_TRIALS)  # random; complete before a median stop
    n_candidates: int = Field(gt=0, le=MAX_TRIALS)  # per cell, at most
    final: FinalTraining  # whether candidates are trained again, with which rows
    # train rows that the candidates learn from before they are measured: those of the sample
    # (max_train_rows), all of the split, or auto: see choose_n_rows
    rows: Literal["sample", "all", "auto"] = "sample"
    rows_memory_mib: float = Field(default=2048, gt=0, le=MAX_SIZE)  # a training on them may take
    n_threads: ThreadCount
    device: Literal["cpu", "cuda", "auto"]
    seed: Seed  # of sampling and training
    pausing: PausingParams  # how much a step must promise
    breadth_share: float = Field(gt=0, le=1)  # of budget_cpu_s, for first looks
    paused_memory_mib: float = Field(ge=0, le=MAX_SIZE)  # that paused trainings may keep

    def share_cores(self, n_searches: int) -> tuple[int, int]:
        """Share the machine's cores out.

        Args:
            n_searches: Searches that are due.

        Returns:
            How many processes train at once, and the threads of each.
        """
        n_cores = usable_cores()
        if self.n_threads == "all":
            n_at_once = min(n_cores, n_searches * self.n_jobs)
            return n_at_once, n_cores // n_at_once
        return max(1, n_cores // self.n_threads), self.n_threads

    @model_validator(mode="after")
    def _check_budget(self) -> TrainingParams:
        limits = (self.n_trials, self.budget_cpu_s, self.budget_wall_s, self.patience)
        if all(limit is None for limit in limits):
            raise ValueError(
                "n_trials, budget_cpu_s, budget_wall_s and patience are all null, so a search "
                "would never end. Give at least one of them."
            )
        if self.patience is not None and self.early_stopping == "pausing":
            raise ValueError(
                "patience counts finished trials without a gain, and a pausing search finishes "
                "none before its end. Set patience to null, or early_stopping to another rule."
            )
        return self
