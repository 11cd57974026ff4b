"""A search whose database server ends and comes back loses no trial and runs none twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from factories import cells
from harness.postgres import HOW_TO_INSTALL, Postgres, find_postgres, serving_postgres
from harness.searching import outcomes_by_index, search
from optuna.trial import TrialState

from rightfit._core.progress import Progress, listening
from rightfit.models.bundle import read_bundle
from rightfit_kedro.explain import explain
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.search import run_search
from rightfit_search.searching.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

N_TRIALS = 6


@pytest.fixture
def server() -> Iterator[Postgres]:
    if find_postgres() is None and not os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS"):
        pytest.skip(HOW_TO_INSTALL)
    with serving_postgres("studies") as server:
        yield server


def search_disturbed(
    data: TrainingData, store: StudyStore, disturb: dict[int, Callable[[], None]]
) -> None:
    """Search; before the n-th step, call what is given for it."""
    seen = iter(range(1000))

    def act_once(_: Progress) -> None:
        act = disturb.get(next(seen))
        if act is not None:
            act()

    with listening(act_once):
        run_search(cells.make_cell(data), cells.make_settings(n_trials=N_TRIALS), store)


def test_search_survives_a_restart_of_its_database(
    blobs: TrainingData, server: Postgres, tmp_path: Path
) -> None:
    store = StudyStore(tmp_path / "studies", server.url)

    with pytest.raises(optuna.exceptions.StorageInternalError, match="commit") as down:
        search_disturbed(blobs, store, {3: server.stop})
    told = explain(down.value)
    server.start()
    search_disturbed(blobs, store, {1: server.restart})
    study = search(blobs, store, n_trials=N_TRIALS)
    undisturbed = search(blobs, StudyStore(tmp_path / "undisturbed", None), n_trials=N_TRIALS)

    assert told is not None
    assert "The database of the searches: " in told
    assert outcomes_by_index(study) == outcomes_by_index(undisturbed)
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        read_bundle(store.bundle_folder(study.study_name, trial.number))
