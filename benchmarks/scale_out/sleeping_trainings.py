"""Searches whose trainings sleep, for the scale-out benchmark; all else is real."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Worker, WorkerPlugin

from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit_search.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit_search.families.linear import FAMILY as LINEAR
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.parallel.planned_search import PlannedSearch
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.training_params import SEARCH

TRIAL_S = 1.0
N_CHECKPOINTS = 2
N_STARTUP = 4

PARAMS = ModelParams.model_validate(
    {
        "fixed": {"n_epochs": 4, "learning_rate": "constant", "penalty": "l2"},
        "space": {
            "alpha": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
            "eta0": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        },
    }
)


def make_cell(name: str) -> Cell:
    """Return a small cell under a name of its own, so that it is a search of its own."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    rows = rng.normal(labels[:, None], 0.5, (60, 4)).astype(np.float32)
    data = TrainingData(rows, labels, InputSchema(("a", "b", "c", "d"), ("x", "y", "z"), None))
    quality = QualityMetric(name="accuracy", worst=0.0, best=1.0)
    return Cell(name, "linear", PARAMS, data, data, quality, data_version=name)


def make_settings(n_trials: int, address: str | None = None) -> SearchSettings:
    """Return the budget and rules of the simulated searches."""
    changes = {
        "n_trials": n_trials,
        "n_retries": 100,  # many are killed
        "cluster": address,
        "budget_cpu_s": None,
        "n_checkpoints": N_CHECKPOINTS,
        "early_stopping": "none",
        "n_startup_trials": N_STARTUP,
        "n_threads": 1,
        "device": "cpu",
        "targets": None,
    }
    return SearchSettings.model_validate(read_default("training", SEARCH) | changes)


class SleepingTrainings(WorkerPlugin):
    """Has a worker's trainings sleep; every worker gets it, also one that replaces a killed one."""

    name = "sleeping-trainings"

    def setup(self, worker: Worker) -> None:
        """Train once; from then on, sleep and give that model."""
        del worker
        configuration = PARAMS.fixed | {"alpha": 1e-4, "eta0": 0.1}
        run = TrainingRun(configuration, make_cell("a").train, n_checkpoints=N_CHECKPOINTS)
        *_, last = LINEAR.train(run)

        def train(*_args: Any, **_options: Any) -> Iterator[Checkpoint]:
            for number in range(1, N_CHECKPOINTS + 1):
                time.sleep(TRIAL_S / N_CHECKPOINTS)
                yield Checkpoint(last.model, n_steps=number)

        LINEAR.train = train  # type: ignore[method-assign]


def plan_search(address: str, folder: Path, name: str, n_trials: int) -> PlannedSearch:
    """Plan a search on a cluster."""
    return PlannedSearch(
        make_cell(name),
        make_settings(n_trials, address),
        StudyStore(folder, None),
        siblings={},
        n_at_once=1,
        exports=False,
    )
