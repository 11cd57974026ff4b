"""What a search works on, and by which rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from rightfit.families.family import Configuration, TrainingData
from rightfit.families.registry import get_family
from rightfit.profiling.serving import Serving
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.pausing_rule import PausingRule
from rightfit.tuning.pausing.priors import Prior
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import fingerprint_family


@dataclass(frozen=True)
class ApplicationTargets:
    """What a search that serves applications needs to know of them.

    Args:
        applications: Who will choose.
        pausing: How much a step must promise.
        servings: Serving configurations they may choose from.
        known_quality: Best quality that other families have reached on the dataset; ``None`` if
            none is known. Limits relative to the best quality count from it.
        prior: What earlier searches taught.
    """

    applications: Applications
    pausing: PausingParams
    servings: tuple[Serving, ...]
    known_quality: float | None
    prior: Prior = field(default_factory=Prior)

    def make_rule(self) -> PausingRule:
        """Make the rule that decides what goes on."""
        known = -math.inf if self.known_quality is None else self.known_quality
        applications = dict(self.applications.items())
        return PausingRule(
            applications, self.pausing, self.servings, self.prior, known, measures=False
        )


class SearchSettings(TrainingParams):
    """Budget and rules of one search: those of ``params:training``, with what is settled for it."""

    n_threads: int  # that a training may use
    device: Literal["cpu", "cuda"]
    targets: ApplicationTargets | None  # of the applications; None: quality alone steers


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
    key = fingerprint_family(
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
