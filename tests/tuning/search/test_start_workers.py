from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import cells
import numpy as np
import pytest
from searching import outcomes_by_draw, search

from rightfit.families.family import TrainingData
from rightfit.tuning.search.claims import CLAIM
from rightfit.tuning.search.search import open_study
from rightfit.tuning.search.start_workers import read_job, worker_processes, write_job
from rightfit.tuning.studies.study_store import StudyStore


def test_job_survives_the_way_to_another_process(blobs: TrainingData, tmp_path: Path) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings(budget_cpu_s=1.5)
    store = StudyStore(tmp_path / "studies", None)

    job = write_job(tmp_path, cell, settings, store)
    read_cell, read_settings, read_store = read_job(job)

    assert (read_settings, read_store) == (settings, store)
    assert (read_cell.name, read_cell.params) == (cell.name, cell.params)
    assert (read_cell.quality, read_cell.data_version) == (cell.quality, cell.data_version)
    assert read_cell.train.schema == blobs.schema
    np.testing.assert_array_equal(read_cell.train.rows, blobs.rows)
    np.testing.assert_array_equal(read_cell.validation.labels, blobs.labels)


def test_started_worker_searches_as_this_process_does(blobs: TrainingData, tmp_path: Path) -> None:
    cell, settings = cells.make_cell(blobs), cells.make_settings(n_trials=6)
    store = StudyStore(tmp_path / "started", None)

    with worker_processes(cell, settings, store, n=1):
        pass  # it does all the work
    study = open_study(cell, settings, store)
    alone = search(blobs, StudyStore(tmp_path / "alone", None), n_trials=6)

    assert outcomes_by_draw(study) == outcomes_by_draw(alone)
    assert {trial.user_attrs[CLAIM]["pid"] for trial in study.trials} != {os.getpid()}


def test_search_with_several_workers_gives_the_trials_of_one(
    blobs: TrainingData, tmp_path: Path
) -> None:
    shared = search(blobs, StudyStore(tmp_path / "shared", None), n_trials=6, n_workers=2)
    alone = search(blobs, StudyStore(tmp_path / "alone", None), n_trials=6)

    assert outcomes_by_draw(shared) == outcomes_by_draw(alone)


def test_worker_that_breaks_is_reported_and_spoils_nothing(
    blobs: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.exit('no room')")

    with caplog.at_level(logging.WARNING):
        study = search(blobs, StudyStore(tmp_path / "studies", None), n_workers=2)

    assert list(outcomes_by_draw(study)) == [0, 1, 2, 3]
    assert "a worker ended with exit code" in caplog.text


def test_worker_ends_with_the_process_that_started_it(blobs: TrainingData, tmp_path: Path) -> None:
    job = write_job(
        tmp_path,
        cells.make_cell(blobs),
        cells.make_settings(n_trials=10**6),
        StudyStore(tmp_path / "studies", None),
    )

    done = subprocess.run(
        [sys.executable, "-m", "rightfit.tuning.search.search_worker", str(os.getpid())],
        input=job + "\n",
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
