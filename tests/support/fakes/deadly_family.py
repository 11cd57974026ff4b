"""A family some of whose configurations kill the process that trains them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from rightfit_search.families.ensembles import EnsembleFamily
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.forest import FAMILY as FOREST

DEADLY_SHARE = 0.5  # of ``max_features``


class DeadlyForest(EnsembleFamily):
    """A forest that kills its process where trees may choose among many features."""

    def __init__(self) -> None:
        vars(self).update(vars(FOREST))

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Grow the forest, unless it is deadly."""
        if run.configuration["max_features"] > DEADLY_SHARE:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from FOREST.train(run)


FAMILY = DeadlyForest()
