from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from factories import cells
from factories.application_targets import make_targets
from harness import searching
from harness.postgres import HOW_TO_INSTALL, find_postgres, running_postgres
from harness.searching import (
    make_gate,
    outcomes_by_index,
    search,
    start_deadly_search,
    start_search,
)
from optuna.trial import TrialState

from rightfit.families.bundle import read_bundle
from rightfit.families.family import TrainingData
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.search.search import open_study, run_search
from rightfit.tuning.studies.budget import Budget
from rightfit.tuning.studies.leases import TrialPool
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import CLAIM, STOP_REASON, finished_trials

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
    return StudyStore(tmp_path / "studies", storage, heartbeat_s=1, grace_s=2)


def make_pool(data: TrainingData, store: StudyStore, **budget: Any) -> TrialPool:
    study = open_study(cells.make_cell(data), cells.make_settings(), store)
    limits = {"n_trials": 1, "cpu_s": None, "wall_s": None} | budget
    return TrialPool(study, store, Budget(**limits), n_configurations=None, n_retries=2)


def ask_half(pool: TrialPool) -> Any:
    def ask(index: int, params: dict[str, Any] | None) -> optuna.Trial:
        trial = pool.study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        return trial

    return ask


@pytest.mark.parametrize("rules", [{}, TPE], ids=["random", "tpe with median stops"])
def test_search_killed_at_random_moments_ends_as_if_it_had_not_been(
    blobs: TrainingData, store: StudyStore, tmp_path: Path, rules: dict[str, Any]
) -> None:
    n_kills, n_trials = 6, 16
    seed = np.random.SeedSequence().entropy
    print(f"{seed=}")  # noqa: T201 - pytest shows it when the test fails
    moments = np.random.default_rng(seed)
    settings = {"n_trials": n_trials, "n_retries": n_kills, **rules}

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
    assert len(study.trials) - n_trials <= n_kills  # each kill costs one trial at most
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
    settings = {"n_trials": n_trials, "n_retries": n_kills, **PAUSING}

    for _ in range(n_kills):
        process = start_search(blobs, store, **settings)
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.join()
    study = search(blobs, store, **settings)

    assert list(outcomes_by_index(study)) == list(range(n_trials))
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert len(study.trials) - n_trials <= n_kills
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


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_workers_share_the_draws_of_one(
    blobs: TrainingData, any_store: StudyStore, tmp_path: Path, sampler: str
) -> None:
    settings = {"n_trials": 16, "sampler": sampler, "n_grid_points": 4}
    gate = make_gate()
    others = [start_search(blobs, any_store, gate=gate, **settings) for _ in range(2)]
    gate.set()
    shared = search(blobs, any_store, **settings)
    for process in others:
        process.join()
    alone = search(blobs, StudyStore(tmp_path / "alone", None), **settings)

    assert [process.exitcode for process in others] == [0, 0]
    assert outcomes_by_index(shared) == outcomes_by_index(alone)
    assert len(shared.trials) == 16
    assert len({trial.user_attrs[CLAIM]["pid"] for trial in shared.trials}) > 1


def test_living_worker_takes_up_the_trial_of_a_killed_one(
    blobs: TrainingData, any_store: StudyStore
) -> None:
    process = start_search(blobs, any_store, n_trials=30)
    other = start_search(blobs, any_store, n_trials=30)
    time.sleep(0.2)
    process.kill()
    study = search(blobs, any_store, n_trials=30)
    other.join()

    assert list(outcomes_by_index(study)) == list(range(30))
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def test_process_that_searches_many_cells_needs_few_connections(
    blobs: TrainingData, tmp_path: Path, database: str
) -> None:
    store = StudyStore(tmp_path, database, heartbeat_s=10, grace_s=60)
    for name in ("a.linear", "b.linear", "c.linear", "d.linear"):
        run_search(
            cells.make_cell(blobs, name=name),
            cells.make_settings(n_trials=1),
            store.cell(name),
            on_trial=lambda n_done, n_all: None,
        )

    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        counting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        n_connections = connection.exec_driver_sql(counting).scalar_one()
    engine.dispose()

    assert n_connections <= 8  # among them this one; several per cell would be more


def test_running_trial_counts_towards_the_budget(blobs: TrainingData, store: StudyStore) -> None:
    pool, other = (make_pool(blobs, store) for _ in range(2))

    with (
        pool.lease(ask_half(pool), None) as lease,
        other.lease(ask_half(other), None) as others_lease,
    ):
        assert lease.trial is not None
        assert others_lease.trial is None
        assert not others_lease.is_over
        pool.study.tell(lease.trial, 0.5)
    with other.lease(ask_half(other), None) as last_lease:
        assert last_lease.is_over


def test_claim_that_fails_leaves_nothing(blobs: TrainingData, any_store: StudyStore) -> None:
    pool = make_pool(blobs, any_store)

    def ask_in_vain(index: int, params: dict[str, Any] | None) -> optuna.Trial:
        ask_half(pool)(index, params)
        raise KeyboardInterrupt("while asking")

    with (
        pytest.raises(KeyboardInterrupt, match="while asking"),
        pool.lease(ask_in_vain, None),
    ):
        pass
    other = make_pool(blobs, any_store)
    left = other.study.trials
    with other.lease(ask_half(other), None) as lease:
        assert lease.trial is not None
        claim = lease.trial.user_attrs[CLAIM]

    assert left == []
    assert claim["draw"] == 0


def test_trial_of_a_host_that_dies_at_once_is_taken_up(
    blobs: TrainingData, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gave the sign of life that is part of the claim, and never another one."""
    store = StudyStore(tmp_path / "a", database, heartbeat_s=1, grace_s=1)
    pool = make_pool(blobs, store)
    monkeypatch.setattr("rightfit.tuning.studies.leases.this_machine", lambda: "elsewhere")
    monkeypatch.setattr(
        "rightfit.tuning.studies.heartbeat.Heartbeat.recording",
        lambda *args: contextlib.nullcontext(),
    )
    with pool.lease(ask_half(pool), None) as lease:
        monkeypatch.undo()
        assert lease.trial is not None
        raise_after = time.monotonic() + 30
        taken_up = None
        while taken_up is None and time.monotonic() < raise_after:
            time.sleep(0.5)
            with pool.lease(ask_half(pool), None) as next_lease:
                taken_up = next_lease.trial

    assert taken_up is not None


def test_worker_of_this_host_keeps_its_trial_though_it_was_silent(
    blobs: TrainingData, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the machine has slept: the lock of the worker's file tells that it lives."""
    pool = make_pool(blobs, StudyStore(tmp_path / "a", database, heartbeat_s=1, grace_s=1))
    monkeypatch.setattr(
        "rightfit.tuning.studies.heartbeat.Heartbeat.recording",
        lambda *args: contextlib.nullcontext(),
    )

    with pool.lease(ask_half(pool), None) as lease:
        time.sleep(2.5)
        with pool.lease(ask_half(pool), None) as other_lease:
            assert other_lease.trial is None

    assert lease.trial is not None
    assert [trial.state for trial in pool.study.trials] == [TrialState.RUNNING]


def test_trial_of_a_silent_host_is_taken_up(
    blobs: TrainingData, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other host is this one under another name; it stops giving signs of life."""
    store = StudyStore(tmp_path / "a", database, heartbeat_s=1, grace_s=4)
    pool = make_pool(blobs, store)
    monkeypatch.setattr("rightfit.tuning.studies.leases.this_machine", lambda: "elsewhere")
    with pool.lease(ask_half(pool), None) as lease:
        monkeypatch.undo()
        assert lease.trial is not None
        lease.trial.set_user_attr(CLAIM, {"draw": 0, "machine": "elsewhere", "pid": 1})
        with pool.lease(ask_half(pool), None) as meanwhile:
            assert meanwhile.trial is None  # it beats
        raise_after = time.monotonic() + 30
        monkeypatch.setattr("optuna.storages.RDBStorage.record_heartbeat", lambda *args: None)
        while True:
            with pool.lease(ask_half(pool), None) as taken_up:
                if taken_up.trial is not None:
                    break
            assert time.monotonic() < raise_after
            time.sleep(0.2)

    assert [trial.state for trial in pool.study.trials][:1] == [TrialState.FAIL]
    assert pool.study.trials[1].number == taken_up.trial.number


def test_configuration_that_kills_its_workers_is_given_up(
    blobs: TrainingData, store: StudyStore
) -> None:
    for _ in range(3):
        process = start_deadly_search(blobs, store, n_trials=4, n_retries=2)
        process.join()
    study = search(blobs, store, n_trials=4, n_retries=2)

    failed = [trial for trial in finished_trials(study) if trial.state == TrialState.FAIL]
    assert [trial.user_attrs[STOP_REASON] for trial in failed] == [
        "failed: the worker died in 3 of 3 attempts"
    ]
    assert list(outcomes_by_index(study)) == [0, 1, 2, 3]
    assert len({repr(trial.params) for trial in study.trials[:4]}) == 1


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


def test_search_that_lost_its_trial_goes_on_with_others(
    blobs: TrainingData, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a long silence: another worker has set the running trial aside."""
    real_score = QualityMetric.score
    calls = iter(range(99))

    def lose_first(*args: Any) -> float:
        if next(calls) == 1:
            study = open_study(cells.make_cell(blobs), cells.make_settings(), store)
            study.tell(0, state=TrialState.FAIL)
        return real_score(*args)

    monkeypatch.setattr(QualityMetric, "score", lose_first)
    study = searching.search(blobs, store)

    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[1].params == study.trials[0].params
    assert list(outcomes_by_index(study)) == [0, 1, 2, 3]
    assert not store.bundle_folder(study.study_name, 0).exists()
