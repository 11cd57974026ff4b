"""A worker of the scale-out benchmark: everything is real but the training, which sleeps.

Reads from standard input one line of JSON with the store, then one with a search's name and budget
per search; answers each with a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit.families.linear import FAMILY as LINEAR
from rightfit.families.schema import InputSchema
from rightfit.parameters.defaults import read_default
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.search import open_study, work_on
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.studies.study_store import StudyStore

TRIAL_S = 1.0
N_CHECKPOINTS = 2
N_STARTUP = 4
N_WARM_UP = N_STARTUP + 2  # trials for imports, connections and TPE's first models

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


def make_settings(n_trials: int) -> SearchSettings:
    """Return the budget and rules of the simulated searches."""
    changes = {
        "n_trials": n_trials,
        "budget_cpu_s": None,
        "n_checkpoints": N_CHECKPOINTS,
        "early_stopping": "none",
        "n_startup_trials": N_STARTUP,
        "n_threads": 1,
        "device": "cpu",
        "targets": None,
    }
    return SearchSettings.model_validate(read_default("training") | changes)


def main() -> None:
    """Answer searches until the input ends."""
    job = json.loads(sys.stdin.readline())
    store = StudyStore(Path(job["folder"]), job["storage"], heartbeat_s=5, grace_s=30)
    cell = make_cell(f"warm_up_{os.getpid()}.linear")  # of its own: everybody warms up wholly
    work_on(cell, make_settings(N_WARM_UP), store, on_trial=_ignore)
    LINEAR.train = _sleeping(_train_once(cell))  # type: ignore[method-assign]
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        search = json.loads(line)
        cell, settings = make_cell(search["name"]), make_settings(search["n_trials"])
        open_study(cell, settings, store)
        _say({"ready": os.getpid()})
        sys.stdin.readline()
        started_cpu_s = time.process_time()
        work_on(cell, settings, store, on_trial=_ignore)
        _say({"over": os.getpid(), "cpu_s": time.process_time() - started_cpu_s})


def _train_once(cell: Cell) -> Any:
    configuration = PARAMS.fixed | {"alpha": 1e-4, "eta0": 0.1}
    *_, last = LINEAR.train(TrainingRun(configuration, cell.train, n_checkpoints=N_CHECKPOINTS))
    return last.model


def _sleeping(model: Any) -> Any:
    def train(*_args: Any, **_options: Any) -> Iterator[Checkpoint]:
        for number in range(1, N_CHECKPOINTS + 1):
            time.sleep(TRIAL_S / N_CHECKPOINTS)
            yield Checkpoint(model, n_steps=number)

    return train


def _ignore(n_done: int, n_all: int | None) -> None:
    pass


def _say(message: dict[str, float]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
