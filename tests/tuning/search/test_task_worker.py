from __future__ import annotations

from pathlib import Path

import pytest
from factories import cells

from rightfit.families.bundle import read_bundle
from rightfit.families.family import TrainingData
from rightfit.tuning.search.task_worker import TaskWorker
from rightfit.tuning.search.tasks import Task
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

CONFIGURATION = {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-4, "eta0": 0.1}


def make_worker(data: TrainingData, folder: Path) -> TaskWorker:
    settings = cells.make_settings(n_checkpoints=3)
    return TaskWorker(cells.make_cell(data), settings, StudyStore(folder, None), "study")


def test_a_worker_goes_on_from_the_checkpoint_to_which_another_one_has_come(
    blobs: TrainingData, tmp_path: Path
) -> None:
    first, second = (make_worker(blobs, tmp_path) for _ in range(2))

    results = [
        worker.carry_out(Task("train", 0, CONFIGURATION, n_passed))
        for n_passed, worker in enumerate((first, second, first))
    ]

    assert [result.point and result.point["checkpoint"] for result in results] == [1, 2, 3]
    assert [result.model_size_mib is not None for result in results] == [False, False, True]


def test_a_model_cut_short_is_kept_and_exported_by_any_worker(
    blobs: TrainingData, tmp_path: Path
) -> None:
    first, second = (make_worker(blobs, tmp_path) for _ in range(2))
    first.carry_out(Task("train", 7, CONFIGURATION, 0))

    second.carry_out(Task("keep", 7, CONFIGURATION, 1))
    first.carry_out(Task("export", 7, CONFIGURATION, 1))

    bundle = read_bundle(tmp_path / "study" / "00007")
    assert bundle.configuration == CONFIGURATION
    assert bundle.onnx is not None
