from __future__ import annotations

from pathlib import Path

import pytest
from factories import cells
from factories.application_targets import make_targets

from rightfit.families.family import TrainingData
from rightfit.tuning.parallel.planned_search import PlannedSearch
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.search import run_search
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

POOR = {"default": {"alpha": 1e-2, "eta0": 1e-4}}


def tell_known_quality(
    cell: Cell, siblings: dict[str, ModelBlock], settings: SearchSettings, studies: StudyStore
) -> float | None:
    steered = settings.model_copy(update={"targets": make_targets()})
    planned = PlannedSearch(cell, steered, studies, siblings, n_at_once=1)
    targets = planned.tell_known_quality().settings.targets
    assert targets is not None
    return targets.known_quality


def test_what_the_other_families_defaults_reach_is_known_once_they_were_trained(
    blobs: TrainingData, tmp_path: Path
) -> None:
    studies = StudyStore(tmp_path, storage=None)
    settings = cells.make_settings(n_trials=4)
    cell = cells.make_cell(blobs, name="blobs.forest", family="forest")
    siblings = {"linear": cells.LINEAR_BLOCK.model_copy(update=POOR)}
    searched = cells.make_cell(blobs, params=cells.LINEAR_PARAMS.model_copy(update=POOR))

    before = tell_known_quality(cell, siblings, settings, studies)
    study = run_search(searched, settings, studies.cell("blobs.linear"), on_trial=lambda n, m: None)
    after = tell_known_quality(cell, siblings, settings, studies)

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

    assert tell_known_quality(cell, siblings, settings, studies) is None
