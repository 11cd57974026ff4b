from __future__ import annotations

from pathlib import Path

import optuna
from factories import cells
from factories.application_targets import make_targets

from rightfit.families.family import TrainingData
from rightfit.tuning.search.pausing_plan import PausingPlan
from rightfit.tuning.search.search import open_study
from rightfit.tuning.search.step_executor import StepExecutor
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import CONFIGURATION, CURVE


def test_a_worker_goes_on_from_the_look_to_which_another_one_has_come(
    blobs: TrainingData, tmp_path: Path
) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings(n_checkpoints=3)
    store = StudyStore(tmp_path, storage=None)
    first, second = (
        StepExecutor(PausingPlan(cell, settings, make_targets(), store), store) for _ in range(2)
    )
    study = open_study(cell, settings, store)
    trial = study.ask()
    trial.set_user_attr(CONFIGURATION, cell.params.suggest(trial))

    for worker in (first, second, first):
        worker.work(optuna.Trial(study, trial._trial_id))

    assert [point["checkpoint"] for point in study.trials[0].user_attrs[CURVE]] == [1, 2, 3]
