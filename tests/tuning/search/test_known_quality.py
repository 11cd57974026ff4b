from __future__ import annotations

from pathlib import Path

import pytest
from factories import cells

from rightfit.families.family import TrainingData
from rightfit.tuning.parallel.search_queue import find_known_quality
from rightfit.tuning.search.search import run_search
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

POOR = {"default": {"alpha": 1e-2, "eta0": 1e-4}}


def test_what_the_other_families_defaults_reach_is_known_once_they_were_trained(
    blobs: TrainingData, tmp_path: Path
) -> None:
    studies = StudyStore(tmp_path, storage=None)
    settings = cells.make_settings(n_trials=4)
    cell = cells.make_cell(blobs, name="blobs.forest", family="forest")
    siblings = {"linear": cells.LINEAR_BLOCK.model_copy(update=POOR)}
    searched = cells.make_cell(blobs, params=cells.LINEAR_PARAMS.model_copy(update=POOR))

    before = find_known_quality(cell, siblings, settings, studies)
    study = run_search(searched, settings, studies.cell("blobs.linear"), on_trial=lambda n, m: None)
    after = find_known_quality(cell, siblings, settings, studies)

    assert before is None
    assert after == pytest.approx(study.trials[0].value)


def test_searches_of_other_data_are_not_counted(blobs: TrainingData, tmp_path: Path) -> None:
    studies = StudyStore(tmp_path, storage=None)
    settings = cells.make_settings(n_trials=1)
    run_search(
        cells.make_cell(blobs), settings, studies.cell("blobs.linear"), on_trial=lambda n, m: None
    )
    cell = cells.make_cell(blobs, name="blobs.forest", family="forest", data_version="v2")

    siblings = {"linear": cells.LINEAR_BLOCK}

    assert find_known_quality(cell, siblings, settings, studies) is None
