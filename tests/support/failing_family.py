"""A family whose trainings fail on one dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rightfit.families.ensembles import EnsembleFamily
from rightfit.families.family import Checkpoint, TrainingData
from rightfit.families.forest import FAMILY as FOREST

LANDSAT = 36  # features


class FailingForest(EnsembleFamily):
    """A forest that grows no tree on the rows of landsat."""

    def __init__(self) -> None:
        vars(self).update(vars(FOREST))

    def train(self, configuration: Any, data: TrainingData, **how: Any) -> Iterator[Checkpoint]:
        """Fail on 36 features."""
        if len(data.schema.features) == LANDSAT:
            raise AttributeError("no tree grows here")
        yield from FOREST.train(configuration, data, **how)


FAMILY = FailingForest()
