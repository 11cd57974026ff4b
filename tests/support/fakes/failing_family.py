"""A family whose trainings fail on one dataset."""

from __future__ import annotations

from collections.abc import Iterator

from rightfit_search.families.ensembles import EnsembleFamily
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.forest import FAMILY as FOREST

LANDSAT = 36  # features


class FailingForest(EnsembleFamily):
    """A forest that grows no tree on the rows of landsat."""

    def __init__(self) -> None:
        vars(self).update(vars(FOREST))

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Fail on 36 features."""
        if len(run.data.schema.features) == LANDSAT:
            raise AttributeError("no tree grows here")
        yield from FOREST.train(run)


FAMILY = FailingForest()
