from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from factories import cells
from factories.application_targets import make_targets
from fakes.deadly_family import DEADLY_SHARE
from harness.forks import FORKS
from harness.postgres import HOW_TO_INSTALL, find_postgres, running_postgres
from harness.searching import (
    make_gate,
    outcomes_by_index,
    search,
    start_held_search,
    start_process,
    start_search,
)
from optuna.trial import TrialState

from rightfit._core.errors import RightfitError
from rightfit._core.processes import file_locks
from rightfit.models.bundle import read_bundle
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.family import TrainingData
from rightfit_search.searching import search_scheduler
from rightfit_search.searching.parallel.planned_search import PlannedSearch, complete_search
from rightfit_search.searching.parallel.side_by_side import search_cut_off
from rightfit_search.searching.search import run_search
from rightfit_search.searching.search_scheduler import SearchScheduler, open_study, read_trials
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import STOP_REASON, finished_trials
from rightfit_search.searching.studies.trial_pool import TrialPool

pytestmark = [pytest.mark.whole, pytest.mark.long]

TPE: dict[str, Any] = {"sampler": "tpe", "early_stopping": "median", "n_startup_trials": 4}
PAUSING = TPE | {"early_stopping": "pausing", "targets": make_targets()}


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "studies", storage=None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if find_postgres() is None and not os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS"):
        pytest.skip(HOW_TO_INSTALL)
    with running_postgres("studies") as url:
        yield url


@pytest.fixture
def database(server: str) -> str:
    """An empty database."""
    name = f"studies_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{server.rpartition('/')[0]}/{name}"


@pytest.fixture(params=["file", "database"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> StudyStore:
    """A store in a file, and one in a database."""
    storage = None if request.param == "file" else request.getfixturevalue("database")
    return StudyStore(tmp_path / "studies", storage)


@pytest.mark.parametrize("rules", [{}, TPE], ids=["random", "tpe with median stops"])
def test_search_killed_at_random_moments_ends_as_if_it_had_not_been(
    blobs: TrainingData,
    store: StudyStore,
    tmp_path: Path,
    rules: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 0.0)  # what was just killed is swept at once
    n_kills, n_trials = 6, 16
    seed = np.random.SeedSequence().entropy
    print(f"{seed=}")  # noqa: T201 - pytest shows it when the test fails
    moments = np.random.default_rng(seed)
    settings = {"n_trials": n_trials, "n_retries": 0, **rules}

    for _ in range(n_kills):
        process = start_search(blobs, store, **settings)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.join()
    study = search(blobs, store, **settings)
    undisturbed = search(blobs, StudyStore(tmp_path / "undisturbed", None), **settings)

    assert outcomes_by_index(study) == outcomes_by_index(undisturbed)
    assert list(outcomes_by_index(study)) == list(range(n_trials))
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert len(study.trials) == n_trials  # none was begun anew
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    folders = [store.bundle_folder(study.study_name, trial.number) for trial in complete]
    assert sorted(folders) == sorted((store.folder / study.study_name).iterdir())
    for folder in folders:
        read_bundle(folder)


def test_search_for_applications_survives_being_killed(
    blobs: TrainingData, store: StudyStore
) -> None:
    """At most the running step is lost: no trial is lost or made twice, and paused ones go on."""
    n_kills, n_trials = 4, 10
    seed = np.random.SeedSequence().entropy
    print(f"{seed=}")  # noqa: T201 - pytest shows it when the test fails
    moments = np.random.default_rng(seed)
    settings = {"n_trials": n_trials, "n_retries": 0, **PAUSING}

    for _ in range(n_kills):
        process = start_search(blobs, store, **settings)
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.join()
    study = search(blobs, store, **settings)

    assert list(outcomes_by_index(study)) == list(range(n_trials))
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert len(study.trials) == n_trials
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert complete
    for trial in complete:
        read_bundle(store.bundle_folder(study.study_name, trial.number))
    seen = [trial for trial in study.trials if "curve" in trial.user_attrs]
    assert all(len(t.user_attrs["curve"]) == len(t.intermediate_values) for t in seen)


@pytest.mark.parametrize(
    "rules", [{}, TPE, PAUSING], ids=["random", "tpe with median stops", "pausing"]
)
def test_same_seed_gives_the_same_trials(
    blobs: TrainingData, tmp_path: Path, rules: dict[str, Any]
) -> None:
    first, second = (
        search(blobs, StudyStore(tmp_path / name, None), n_trials=8, **rules) for name in "ab"
    )

    assert outcomes_by_index(first) == outcomes_by_index(second)
    assert len({repr(params) for params, _, _ in outcomes_by_index(first).values()}) == 8


@pytest.mark.parametrize("rules", [{}, TPE], ids=["random", "tpe with median stops"])
def test_search_in_two_runs_gives_the_trials_of_one(
    blobs: TrainingData, store: StudyStore, tmp_path: Path, rules: dict[str, Any]
) -> None:
    search(blobs, store, n_trials=5, **rules)
    resumed = search(blobs, store, n_trials=8, **rules)
    at_once = search(blobs, StudyStore(tmp_path / "at_once", None), n_trials=8, **rules)

    assert outcomes_by_index(resumed) == outcomes_by_index(at_once)


def test_a_search_is_one_runs_at_a_time_and_the_others_find_it_done(
    blobs: TrainingData, any_store: StudyStore, tmp_path: Path
) -> None:
    gate = make_gate()
    first = start_search(blobs, any_store, gate=gate, n_trials=8, **TPE)
    waiting = start_process(blobs, any_store, n_trials=8, **TPE)
    time.sleep(0.5)
    meanwhile = open_study(cells.make_cell(blobs), cells.make_settings(), any_store).trials
    gate.set()
    study = search(blobs, any_store, n_trials=8, **TPE)
    for process in (first, waiting):
        process.join()
    alone = search(blobs, StudyStore(tmp_path / "alone", None), n_trials=8, **TPE)

    assert meanwhile == []
    assert [process.exitcode for process in (first, waiting)] == [0, 0]
    assert outcomes_by_index(study) == outcomes_by_index(alone)
    assert len(study.trials) == 8


def test_a_waiting_run_goes_on_with_the_search_of_a_killed_one(
    blobs: TrainingData, any_store: StudyStore
) -> None:
    killed = start_search(blobs, any_store, n_trials=30)
    waiting = start_process(blobs, any_store, n_trials=30)
    time.sleep(0.2)
    killed.kill()
    waiting.join()
    study = search(blobs, any_store, n_trials=30)

    assert waiting.exitcode == 0
    assert list(outcomes_by_index(study)) == list(range(30))
    assert len(study.trials) == 30


def test_process_that_searches_many_cells_needs_few_connections(
    blobs: TrainingData, tmp_path: Path, database: str
) -> None:
    store = StudyStore(tmp_path, database)
    for name in ("a.linear", "b.linear", "c.linear", "d.linear"):
        run_search(
            cells.make_cell(blobs, name=name),
            cells.make_settings(n_trials=1),
            store.cell(name),
        )

    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        counting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        n_connections = connection.exec_driver_sql(counting).scalar_one()
    engine.dispose()

    assert n_connections <= 8  # among them this one; several per cell would be more


def test_another_writer_of_the_study_ends_the_search(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a database that was restarted has dropped the lock."""
    real_score, calls = QualityMetric.score, iter(range(99))

    def write_first(*args: Any) -> float:
        if next(calls) == 1:
            open_study(cells.make_cell(blobs), cells.make_settings(), store).ask()
        return real_score(*args)

    monkeypatch.setattr(QualityMetric, "score", write_first)
    with pytest.raises(RightfitError, match="Another process writes to the study"):
        search(blobs, store)
    study = search(blobs, store)

    assert list(outcomes_by_index(study)) == [0, 1, 2, 3]


def test_trial_whose_stop_was_noted_before_the_search_was_killed_stays_stopped(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two writes that end a stopped trial: it has no model that could count."""
    real_end = TrialPool.end

    def end(pool: TrialPool, number: int, state: TrialState, value: float | None = None) -> None:
        if state == TrialState.PRUNED:
            raise KeyboardInterrupt("killed")
        real_end(pool, number, state, value)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="killed"):
        patch.setattr(TrialPool, "end", end)
        search(blobs, store, n_trials=10, **PAUSING)
    study = search(blobs, store, n_trials=10, **PAUSING)

    assert study.get_trials(states=(TrialState.PRUNED,))
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        read_bundle(store.bundle_folder(study.study_name, trial.number))


@pytest.mark.parametrize("rules", [{}, TPE, PAUSING], ids=["random", "tpe", "pausing"])
def test_runs_killed_within_one_step_cost_no_trial(
    blobs: TrainingData, store: StudyStore, tmp_path: Path, rules: dict[str, Any]
) -> None:
    for _ in range(3):
        process = start_held_search(blobs, store, n_retries=0, **rules)
        process.kill()
        process.join()
    study = search(blobs, store, n_retries=0, **rules)
    undisturbed = search(blobs, StudyStore(tmp_path / "undisturbed", None), **rules)

    assert outcomes_by_index(study) == outcomes_by_index(undisturbed)
    assert len(study.trials) == 4


def test_a_trial_that_stops_the_machine_again_and_again_is_given_up(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for boot in ("first", "second", "third"):
        monkeypatch.setattr(search_scheduler, "identify_machine", lambda boot=boot: boot)
        scheduler = SearchScheduler(cells.make_cell(blobs), cells.make_settings(), store)
        task = scheduler.next_task()
        scheduler.pool.write()
        assert task is not None
        assert task.number == 0
    monkeypatch.setattr(search_scheduler, "identify_machine", lambda: "fourth")
    study = search(blobs, store)

    failed = [trial for trial in finished_trials(study) if trial.state == TrialState.FAIL]
    assert [(trial.number, trial.user_attrs[STOP_REASON]) for trial in failed] == [
        (0, "the worker, or its machine, died in 3 of 3 attempts")
    ]
    assert list(outcomes_by_index(study)) == [0, 1, 2, 3]


def test_a_model_that_kills_its_process_ends_one_run_and_no_more(
    blobs: TrainingData, tmp_path: Path
) -> None:
    """Then its search goes on in processes of its own, where the model loses its trials."""
    params = {
        "fixed": {"n_estimators": 4, "max_depth": 3, "min_samples_leaf": 1},
        "space": {"max_features": {"type": "float", "low": 0.1, "high": 1.0, "log": False}},
    }
    cell = cells.make_cell(
        blobs,
        name="blobs.deadly",
        family="fakes.deadly_family",
        params=ModelParams.model_validate(params),
    )
    planned = PlannedSearch(
        cell, cells.make_settings(n_trials=6), StudyStore(tmp_path, None), {}, n_at_once=1
    )

    process = FORKS.Process(target=search_planned, args=(planned,), daemon=True)
    process.start()
    process.join()
    was_cut_off = planned.is_cut_off
    search_planned(planned)
    trials = read_trials(cell, planned.settings, planned.store)

    assert process.exitcode == -signal.SIGKILL
    assert was_cut_off
    assert not planned.is_cut_off
    deadly = {trial.number for trial in trials if trial.params["max_features"] > DEADLY_SHARE}
    assert deadly
    assert {trial.number for trial in trials if trial.state == TrialState.FAIL} == deadly
    assert len(trials) == 6


def search_planned(planned: PlannedSearch) -> None:
    search_cut_off([planned])
    complete_search(replace(planned, exports=False))


def test_interrupted_search_gives_its_trial_back_and_is_not_blamed(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt("while scoring")

    with monkeypatch.context() as patch:
        patch.setattr(QualityMetric, "score", interrupt)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt, match="while scoring"):
                search(blobs, store, n_retries=0)
    study = search(blobs, store, n_retries=0)

    assert [state for _, _, state in outcomes_by_index(study).values()] == ["COMPLETE"] * 4
