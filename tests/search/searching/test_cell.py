from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories import application_targets, cells

from rightfit_search.families.family import LabelledRows, TrainingData
from rightfit_search.searching.cell import describe_job, read_job, share_rows, study_name
from rightfit_search.searching.studies.study_store import StudyStore

pytestmark = pytest.mark.whole


def test_job_survives_the_way_to_another_process(blobs: TrainingData, tmp_path: Path) -> None:
    targets = application_targets.make_targets(prior=application_targets.SIZES)
    cell = cells.make_cell(blobs, learns_validation=True)
    settings = cells.make_settings(budget_cpu_s=1.5, targets=targets)
    store = StudyStore(tmp_path / "studies", "postgresql+psycopg://me:s3cret@host/db")

    rows = tmp_path / "rows"
    job = describe_job(rows, share_rows(rows, cell), settings, store)
    read_cell, read_settings, read_store, name = read_job(job)

    assert (read_settings, read_store.folder) == (settings, store.folder)
    assert name == study_name(cell, settings)
    assert "s3cret" not in job  # a worker has nothing to do with the database
    assert (read_cell.name, read_cell.params) == (cell.name, cell.params)
    assert (read_cell.quality, read_cell.data_version) == (cell.quality, cell.data_version)
    assert read_cell.learns_validation
    assert read_cell.train.schema == blobs.schema
    np.testing.assert_array_equal(read_cell.train.rows, blobs.rows)
    np.testing.assert_array_equal(read_cell.validation.labels, blobs.labels)


def test_final_rows_are_train_and_validation_rows(blobs: TrainingData) -> None:
    judges = LabelledRows(blobs.rows[:9], blobs.labels[:9], blobs.schema)

    rows = replace(cells.make_cell(blobs), validation=judges).final_rows()

    np.testing.assert_array_equal(rows.rows, np.concatenate([blobs.rows, blobs.rows[:9]]))
    np.testing.assert_array_equal(rows.labels, np.concatenate([blobs.labels, blobs.labels[:9]]))


def test_name_of_a_cell_is_dataset_and_model(blobs: TrainingData) -> None:
    cell = cells.make_cell(blobs, name="some.blobs.linear")

    assert (cell.dataset, cell.model) == ("some.blobs", "linear")


def test_validation_rows_of_one_class_travel(blobs: TrainingData, tmp_path: Path) -> None:
    first = blobs.labels == 0
    judges = LabelledRows(blobs.rows[first], blobs.labels[first], blobs.schema)

    shared = share_rows(tmp_path / "rows", replace(cells.make_cell(blobs), validation=judges))

    assert set(shared.validation.labels) == {0}
