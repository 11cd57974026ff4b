from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import cells
from factories.application_targets import make_targets
from factories.recordings import application

from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import Checkpoint, LabelledRows, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.parallel.planned_search import (
    PlannedSearch,
    complete_search,
    plan_search,
    train_on_more,
)
from rightfit_search.searching.search import run_search
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.training_params import SEARCH, FinalTraining, TrainingParams

pytestmark = pytest.mark.whole

POOR = {"default": {"alpha": 1e-2, "eta0": 1e-4}}


def with_sibling_quality(
    cell: Cell, siblings: dict[str, ModelBlock], settings: SearchSettings, studies: StudyStore
) -> float | None:
    steered = settings.model_copy(update={"targets": make_targets()})
    planned = PlannedSearch(cell, steered, studies, siblings, n_at_once=1)
    targets = planned.with_sibling_quality().settings.targets
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

    before = with_sibling_quality(cell, siblings, settings, studies)
    study = run_search(searched, settings, studies.cell("blobs.linear"))
    after = with_sibling_quality(cell, siblings, settings, studies)

    assert before is None
    assert after == pytest.approx(study.trials[0].value)


def test_searches_of_other_data_are_not_counted(blobs: TrainingData, tmp_path: Path) -> None:
    studies = StudyStore(tmp_path, storage=None)
    settings = cells.make_settings(n_trials=1)
    run_search(cells.make_cell(blobs), settings, studies.cell("blobs.linear"))
    cell = cells.make_cell(blobs, name="blobs.forest", family="forest", data_version="v2")

    siblings = {"linear": cells.LINEAR_BLOCK}

    assert with_sibling_quality(cell, siblings, settings, studies) is None


@pytest.mark.parametrize(
    ("final", "covers"),
    [
        ({"learns_validation": True}, True),
        ({"learns_validation": True, "never_for": ["landsat"]}, True),
        ({"learns_validation": True, "never_for": ["landsat", "blobs"]}, False),
        ({"learns_validation": True, "never_for": "landsat blobs"}, False),  # of a command line
        ({"learns_validation": False}, False),
    ],
)
def test_candidates_learn_validation_rows_of_the_datasets_that_may_be_learnt(
    final: dict[str, Any], covers: bool, blobs: TrainingData, tmp_path: Path
) -> None:
    final = final | {"max_s": 9}
    training = TrainingParams.model_validate(read_default("training", SEARCH) | {"final": final})

    planned = plan_search(
        cells.make_cell(blobs),
        training,
        Applications({"accuracy": application()}),
        EvaluationParams.model_validate(read_default("evaluation")),
        studies=StudyStore(tmp_path, storage=None),
        siblings={},
        n_searches=1,
    )

    assert FinalTraining.model_validate(final).covers("blobs") is covers
    assert planned.cell.learns_validation is covers


def plan(
    data: TrainingData, folder: Path, *, learns_validation: bool, **changes: Any
) -> PlannedSearch:
    """Plan a search on 60 rows, judged by the same."""
    cell = cells.make_cell(data, learns_validation=learns_validation)
    store = StudyStore(folder, storage=None)
    return PlannedSearch(cell, cells.make_settings(**changes), store, siblings={}, n_at_once=1)


@pytest.mark.parametrize("predicts", [True, False])
def test_search_returns_validation_predictions_where_they_are_asked_for(
    predicts: bool, blobs: TrainingData, tmp_path: Path
) -> None:
    search = plan(blobs, tmp_path, learns_validation=True)

    outcome = complete_search(search, predicts=predicts)

    assert outcome.validation_predictions.columns == list(outcome.candidates) * predicts
    assert {bundle.n_training_rows for bundle in outcome.candidates.values()} == {120}


@pytest.mark.parametrize(("learns_validation", "n_rows"), [(True, 127), (False, 67)])
@pytest.mark.parametrize("exports", [True, False])
def test_candidate_is_trained_on_more_rows_than_it_has_learnt(
    learns_validation: bool, n_rows: int, exports: bool, blobs: TrainingData, tmp_path: Path
) -> None:
    search = plan(blobs, tmp_path, learns_validation=learns_validation)
    name, candidate = next(iter(complete_search(search).candidates.items()))
    seven = LabelledRows(blobs.rows[:7], blobs.labels[:7], blobs.schema)

    bundle = train_on_more(search, name, seven, exports=exports)

    assert bundle.n_training_rows == n_rows
    assert bundle.weights_sha256 != candidate.weights_sha256
    assert (bundle.onnx is not None) is exports


def test_candidate_whose_training_on_more_rows_fails_stays_as_it_was_ranked(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = plan(blobs, tmp_path, learns_validation=True)
    name = next(iter(complete_search(search).candidates))
    seven = LabelledRows(blobs.rows[:7], blobs.labels[:7], blobs.schema)

    def fail(run: TrainingRun) -> Iterator[Checkpoint]:
        raise ArithmeticError("overflow")

    monkeypatch.setattr(get_family("linear"), "train", fail)

    assert train_on_more(search, name, seven, exports=False) is None


def test_candidate_whose_training_would_take_too_long_stays_as_it_was_ranked(
    blobs: TrainingData, tmp_path: Path
) -> None:
    search = plan(
        blobs, tmp_path, learns_validation=True, final={"learns_validation": True, "max_s": 0}
    )
    name = next(iter(complete_search(search).candidates))
    seven = LabelledRows(blobs.rows[:7], blobs.labels[:7], blobs.schema)

    assert train_on_more(search, name, seven, exports=False) is None
