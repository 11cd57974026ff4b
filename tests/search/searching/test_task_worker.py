from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import cells
from threadpoolctl import threadpool_info, threadpool_limits

from rightfit.models.bundle import read_bundle
from rightfit.models.calibration import learn_temperature, scale_probabilities
from rightfit.models.runtimes import open_predictor
from rightfit_search.families.family import Checkpoint, LabelledRows, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.task_worker import JUDGED_ROWS, TaskWorker
from rightfit_search.searching.tasks import Task
from rightfit_search.testing import make_small_table

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
    first.carry_out(Task("finish", 7, CONFIGURATION, 1, exports=True))

    bundle = read_bundle(tmp_path / "study" / "00007")
    assert bundle.configuration == CONFIGURATION
    assert bundle.onnx is not None


# Candidates that have learnt from validation rows, too: half of the blobs train, half judge.


def make_halves(data: TrainingData) -> Cell:
    even = np.arange(len(data.labels)) % 2 == 0
    return replace(
        cells.make_cell(data),
        train=TrainingData(data.rows[even], data.labels[even], data.schema),
        validation=LabelledRows(data.rows[~even], data.labels[~even], data.schema),
        learns_validation=True,
    )


@pytest.fixture
def worker(blobs: TrainingData, tmp_path: Path) -> TaskWorker:
    """It has kept the whole model of trial 7."""
    settings = cells.make_settings(n_checkpoints=3)
    worker = TaskWorker(make_halves(blobs), settings, StudyStore(tmp_path, None), "study")
    for n_passed in range(3):
        worker.carry_out(Task("train", 7, CONFIGURATION, n_passed))
    return worker


def finish_task(*, learns_validation: bool, n_checkpoints: int = 3, **values: Any) -> Task:
    return Task(
        "finish",
        7,
        CONFIGURATION,
        n_checkpoints,
        learns_validation=learns_validation,
        **values,
    )


@pytest.mark.parametrize("exports", [True, False])
def test_candidate_learns_validation_rows_and_the_trial_keeps_its_model(
    worker: TaskWorker, exports: bool
) -> None:
    trial = worker.read_model(finish_task(learns_validation=False))

    candidate = worker.finish(finish_task(learns_validation=True, exports=exports))

    assert (trial.n_training_rows, candidate.n_training_rows) == (30, 60)
    assert candidate.weights_sha256 != trial.weights_sha256
    assert candidate.configuration == trial.configuration == CONFIGURATION
    assert (candidate.onnx is not None) is exports
    after = worker.read_model(finish_task(learns_validation=False))
    assert after.weights_sha256 == trial.weights_sha256


def test_candidate_that_learns_no_validation_rows_is_the_trials_model(worker: TaskWorker) -> None:
    trial = worker.read_model(finish_task(learns_validation=False))

    candidate = worker.finish(finish_task(learns_validation=False, exports=True))

    assert candidate.n_training_rows == 30
    assert candidate.weights_sha256 == trial.weights_sha256


@pytest.mark.parametrize("learns_validation", [True, False])
def test_candidate_is_calibrated_by_what_its_trial_says_of_validation_rows(
    tmp_path: Path, *, learns_validation: bool
) -> None:
    cell = replace(make_halves(make_small_table("classification", seed=1)), family="forest")
    settings = cells.make_settings(n_checkpoints=1)
    worker = TaskWorker(cell, settings, StudyStore(tmp_path, None), "study")
    forest = {"n_estimators": 10, "max_depth": 6, "min_samples_leaf": 5, "max_features": 0.3}
    worker.carry_out(Task("train", 7, forest, 0))
    task = Task("finish", 7, forest, 1, learns_validation=learns_validation, exports=True)
    trial = worker.read_model(task)
    said = get_family("forest").predict(trial.load_native(), cell.validation.rows)

    candidate = worker.finish(task)

    temperature = learn_temperature(said, cell.validation.labels)
    assert temperature < 0.9  # votes are too modest
    assert candidate.temperature == worker.read_candidate(task).temperature == temperature
    assert worker.finish(task) == candidate
    unseen = make_small_table("classification", seed=2).rows
    raw = get_family("forest").predict(candidate.load_native(), unseen)
    for runtime in ("native", "onnx"):
        predict = open_predictor(candidate, runtime=runtime, n_threads=1, device="cpu")
        np.testing.assert_allclose(
            predict(unseen), scale_probabilities(raw, temperature), atol=1e-5
        )


def test_rows_that_a_trial_has_learnt_calibrate_nothing(
    blobs: TrainingData, tmp_path: Path
) -> None:
    worker = make_worker(blobs, tmp_path)
    for n_passed in range(3):
        worker.carry_out(Task("train", 7, CONFIGURATION, n_passed))

    assert worker.finish(finish_task(learns_validation=False)).temperature is None


def test_candidate_is_what_its_family_learns_from_all_rows_at_once(
    worker: TaskWorker, blobs: TrainingData
) -> None:
    rows = make_halves(blobs).final_rows()
    run = TrainingRun(CONFIGURATION, rows, n_checkpoints=1, seed=3, n_threads=1, device="cpu")
    linear = get_family("linear")
    *_, last = linear.train(run)

    candidate = worker.finish(finish_task(learns_validation=True))

    np.testing.assert_array_equal(
        linear.predict(candidate.load_native(), blobs.rows), linear.predict(last.model, blobs.rows)
    )


def test_candidate_is_trained_once(worker: TaskWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = worker.finish(finish_task(learns_validation=True))

    def fail(run: TrainingRun) -> Iterator[Checkpoint]:
        raise AssertionError("it is trained already")

    monkeypatch.setattr(get_family("linear"), "train", fail)
    again = worker.finish(finish_task(learns_validation=True))

    assert again.weights_sha256 == candidate.weights_sha256
    assert again.n_training_rows == 60


def test_candidate_whose_family_fails_is_the_trials_model(
    worker: TaskWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trial = worker.read_model(finish_task(learns_validation=False))

    def fail(run: TrainingRun) -> Iterator[Checkpoint]:
        raise ArithmeticError("overflow")

    monkeypatch.setattr(get_family("linear"), "train", fail)
    with caplog.at_level(logging.WARNING):
        candidate = worker.finish(finish_task(learns_validation=True, exports=True))

    assert candidate.n_training_rows == 30
    assert candidate.weights_sha256 == trial.weights_sha256
    assert candidate.onnx is not None
    assert "ArithmeticError: overflow" in caplog.text


def test_candidate_learns_for_as_many_checkpoints_as_its_trial(
    worker: TaskWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = get_family("linear")
    train, lengths = linear.train, []

    def count(run: TrainingRun) -> Iterator[Checkpoint]:
        lengths.append([run.n_checkpoints, 0])
        for checkpoint in train(run):
            lengths[-1][1] += 1
            yield checkpoint

    monkeypatch.setattr(linear, "train", count)
    for n_checkpoints in (1, 2, 3):
        worker.finish(finish_task(learns_validation=True, n_checkpoints=n_checkpoints))

    assert lengths == [[3, 1], [3, 2], [1, 1]]


def test_candidates_answer_the_rows_that_judge_them_with_one_thread_of_openmp(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_threads = list[int]()
    family = get_family("linear")
    predict = family.predict

    def predict_watched(model: Any, rows: Any) -> Any:
        pools = threadpool_info()
        n_threads.extend(pool["num_threads"] for pool in pools if pool["user_api"] == "openmp")
        return predict(model, rows)

    monkeypatch.setattr(family, "predict", predict_watched)
    np.save(tmp_path / JUDGED_ROWS, blobs.rows)
    worker = make_worker(blobs, tmp_path)
    bundle = str(tmp_path / "study" / "00003")

    with threadpool_limits(2, "openmp"):
        worker.carry_out(Task("train", 3, CONFIGURATION, 0))
        worker.carry_out(Task("keep", 3, CONFIGURATION, 1))
        answered = worker.carry_out(
            Task("predict", 3, CONFIGURATION, 1, bundle=bundle, stored_rows=str(tmp_path))
        )

    assert answered.fault == ""
    assert set(n_threads) == {1}
