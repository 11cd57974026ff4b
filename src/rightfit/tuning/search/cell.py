"""What a search works on, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.families.family import Configuration, TrainingData
from rightfit.families.registry import get_family
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.search.samplers import SamplerName
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.steering.demand import Demand
from rightfit.tuning.studies.study_store import fingerprint


@dataclass(frozen=True)
class SearchSettings:
    """Budget and rules of one search; see ``parameters_training.yml``.

    Args:
        n_trials: Finished trials at which the search ends, over all runs and workers; ``None`` for
            no limit, as with the other two.
        budget_cpu_s: CPU seconds of finished trials at which it ends.
        budget_wall_s: Wall seconds with a trial running at which it ends.
        n_retries: Times a configuration is tried again after its worker died.
        n_checkpoints: Looks at a training, each at twice the length of the one before.
        sampler: Optuna's sampler.
        n_grid_points: Points per range of the grid sampler.
        patience: Finished trials in a row without a gain after which it ends.
        early_stopping: Pausing for all applications, one of Optuna's pruners on the validation
            quality, none, or the import path of another rule; see ``stopping.py``.
        n_startup_trials: Trials drawn at random, and complete ones needed before a median stop.
        n_threads: Threads a training may use.
        device: ``cpu`` or ``cuda``.
        seed: Seed of sampling and training.
        demand: What the applications ask for; ``None`` where quality alone steers.
    """

    n_trials: int | None
    budget_cpu_s: float | None
    budget_wall_s: float | None
    patience: int | None
    n_retries: int
    n_checkpoints: int
    sampler: SamplerName
    n_grid_points: int
    early_stopping: str
    n_startup_trials: int
    n_threads: int
    device: str
    seed: int
    demand: Demand | None


@dataclass(frozen=True)
class Cell:
    """What a search works on: one family on one dataset.

    Args:
        name: ``{dataset}.{model}``.
        family: Import path of the family.
        params: Its fixed settings and its space.
        train: Rows to learn from.
        validation: Rows to judge by.
        quality: The dataset's quality metric.
        data_version: Version of the data.
    """

    name: str
    family: str
    params: ModelParams
    train: TrainingData
    validation: TrainingData
    quality: QualityMetric
    data_version: str

    @property
    def model(self) -> str:
        """The model's name in the configuration."""
        return self.name.rpartition(".")[2]

    def default(self) -> Configuration | None:
        """Return the searched settings that need no search; ``None`` without a default."""
        return self.params.first(get_family(self.family).list_defaults(), self.train.schema.task)

    def list_first(self) -> list[Configuration]:
        """Return the searched settings of the first trials: the default, then the portfolio."""
        return self.params.begin(get_family(self.family).list_defaults(), self.train.schema.task)


def study_name(cell: Cell, settings: SearchSettings) -> str:
    """Return the name of the study that belongs to a cell's data, space and code."""
    key = fingerprint(
        cell.family,
        {
            "data_version": cell.data_version,
            "quality": cell.quality.name,
            "params": cell.params.model_dump(),
            "n_checkpoints": settings.n_checkpoints,
            "seed": settings.seed,
            "grid": settings.n_grid_points if settings.sampler == "grid" else None,
        },
    )
    return f"{cell.name}.{key}"
