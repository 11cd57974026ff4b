from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from rightfit.tuning.studies import study_storage
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "studies", None)


@pytest.fixture
def study(store: StudyStore) -> optuna.Study:
    return optuna.create_study(study_name="a", storage=store.open())


def seen_by_others(store: StudyStore) -> list[optuna.trial.FrozenTrial]:
    """Read the trials as another process would."""
    storage = optuna.storages.RDBStorage(store.url)
    return optuna.load_study(study_name="a", storage=storage).trials


def test_transaction_stores_all_or_nothing(store: StudyStore, study: optuna.Study) -> None:
    with pytest.raises(ZeroDivisionError, match="half way"), store.transaction("a"):
        study.ask().set_user_attr("claim", 0)
        raise ZeroDivisionError("half way")
    after_failure = seen_by_others(store)
    with store.transaction("a"):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("claim", 1)

    assert after_failure == []
    assert [trial.user_attrs for trial in seen_by_others(store)] == [{"claim": 1}]
    assert [list(trial.params) for trial in seen_by_others(store)] == [["x"]]


def test_attributes_go_with_the_next_report(store: StudyStore, study: optuna.Study) -> None:
    trial = study.ask()
    trial.set_user_attr("curve", [0.5])
    trial.report(0.5, 1)

    assert trial.user_attrs == {"curve": [0.5]}
    assert seen_by_others(store)[0].user_attrs == {"curve": [0.5]}
    assert seen_by_others(store)[0].intermediate_values == {1: 0.5}


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED])
def test_attributes_go_with_the_end_of_a_trial(
    store: StudyStore, study: optuna.Study, state: TrialState
) -> None:
    trial, other = study.ask(), study.ask()
    trial.set_user_attr("size", 3)
    trial.set_user_attr("seconds", 4)
    other.set_user_attr("size", 5)
    study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)

    assert seen_by_others(store)[0].state == state
    assert seen_by_others(store)[0].user_attrs == {"size": 3, "seconds": 4}
    assert seen_by_others(store)[1].user_attrs == {}


def test_worker_learns_at_its_next_report_that_its_trial_was_set_aside(
    store: StudyStore, study: optuna.Study
) -> None:
    trial = study.ask()
    others = optuna.storages.RDBStorage(store.url)
    optuna.load_study(study_name="a", storage=others).tell(0, state=TrialState.FAIL)
    trial.set_user_attr("curve", [0.5])

    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError, match="already finished"):
        trial.report(0.5, 1)

    assert seen_by_others(store)[0].user_attrs == {}


def test_worker_learns_at_the_end_that_its_trial_was_set_aside(
    store: StudyStore, study: optuna.Study
) -> None:
    trial = study.ask()
    others = optuna.storages.RDBStorage(store.url)
    optuna.load_study(study_name="a", storage=others).tell(0, state=TrialState.FAIL)
    trial.set_user_attr("seconds", 4)

    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError, match="already finished"):
        study.tell(trial, 0.5)


def test_sampler_that_reads_once_knows_all_trials(store: StudyStore, study: optuna.Study) -> None:
    for x in (0.1, 0.2, 0.3):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(x, x)})
        study.tell(trial, x)
    running = study.ask()

    with store.transaction("a"):
        known = study.get_trials()
        with store.open().read_once():
            trial = study.ask()
            trial.suggest_float("x", 0.0, 1.0)
            sampled_from = study.get_trials()

    assert [one.number for one in known] == [0, 1, 2, 3]
    assert [one.number for one in sampled_from] == [0, 1, 2, 3, 4]
    assert trial.number == 4
    assert running.number == 3
    assert list(seen_by_others(store)[4].params) == ["x"]
    assert list(study.trials[4].params) == ["x"]


def test_studies_that_were_deleted_begin_anew(store: StudyStore, study: optuna.Study) -> None:
    study.ask()
    shutil.rmtree(store.folder)
    anew = optuna.create_study(study_name="a", storage=store.open())
    anew.ask()

    assert len(seen_by_others(store)) == 1


def test_many_trials_are_read_in_parts(
    store: StudyStore, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_storage, "READ_AT_ONCE", 2)
    for number in range(7):
        trial = study.ask()
        trial.set_user_attr("claim", number)
        trial.report(number, 1)
        if number in (1, 4):
            study.tell(trial, number)
    read = study.get_trials(deepcopy=False)
    storage = optuna.storages.RDBStorage(store.url)
    optuna.load_study(study_name="a", storage=storage).tell(5, 5.0)

    assert [trial.user_attrs["claim"] for trial in read] == [0, 1, 2, 3, 4, 5, 6]
    assert [t.number for t in study.trials if t.state == TrialState.COMPLETE] == [1, 4, 5]


def test_connections_keep_little_of_a_file_in_memory(store: StudyStore) -> None:
    with store.open().engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA cache_size").scalar()

    assert pages == -256  # KiB


def test_what_another_process_changed_is_read_again(store: StudyStore, study: optuna.Study) -> None:
    for _ in range(4):
        study.ask()
    before = study.get_trials(deepcopy=False)
    others = optuna.load_study(study_name="a", storage=optuna.storages.RDBStorage(store.url))
    changed = [optuna.Trial(others, trial._trial_id) for trial in others.trials]
    changed[0].set_user_attr("paused", False)
    changed[1].report(0.5, 1)
    changed[2].suggest_float("x", 0.0, 1.0)
    after = study.get_trials(deepcopy=False)
    changed[0].set_user_attr("paused", True)

    assert [trial.user_attrs for trial in after] == [{"paused": False}, {}, {}, {}]
    assert after[1].intermediate_values == {1: 0.5}
    assert list(after[2].params) == ["x"]
    assert after[3] is before[3]
    assert study.get_trials(deepcopy=False)[0].user_attrs == {"paused": True}


def test_attributes_set_in_a_transaction_are_seen_there(
    store: StudyStore, study: optuna.Study
) -> None:
    trial = study.ask()
    with store.transaction("a"):
        trial.set_user_attr("paused", True)
        seen = study.get_trials()[0].user_attrs

    assert seen == {"paused": True}


def test_attribute_of_a_trial_that_another_process_ended_is_refused(
    store: StudyStore, study: optuna.Study
) -> None:
    trial = study.ask()
    others = optuna.storages.RDBStorage(store.url)
    optuna.load_study(study_name="a", storage=others).tell(0, state=TrialState.FAIL)

    with (
        pytest.raises(optuna.exceptions.UpdateFinishedTrialError, match="already finished"),
        store.transaction("a"),
    ):
        trial.set_user_attr("paused", True)


def test_process_that_dies_with_its_studies_open_loses_nothing(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    program = (
        "import optuna, os, sys; from pathlib import Path\n"
        "from rightfit.tuning.studies.study_store import StudyStore\n"
        "storage = StudyStore(Path(sys.argv[1]), None).open()\n"
        "study = optuna.create_study(study_name='a', storage=storage)\n"
        "study.ask().report(0.5, 1)\n"
        "os._exit(0)"
    )

    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    log_bytes = (tmp_path / "studies.db-wal").stat().st_size
    study = optuna.load_study(study_name="a", storage=store.open())

    assert log_bytes > 0
    assert [trial.intermediate_values for trial in study.trials] == [{1: 0.5}]
    assert not (tmp_path / "damaged").exists()


def add_rung(storage: optuna.storages.RDBStorage, trial_id: int) -> None:
    storage.set_trial_system_attr(trial_id, "completed_rung_0", 0.5)
    storage.set_trial_intermediate_value(trial_id, 2, 0.7)


def add_not_a_number(storage: optuna.storages.RDBStorage, trial_id: int) -> None:
    storage.set_trial_intermediate_value(trial_id, 2, float("nan"))


def add_parameter(storage: optuna.storages.RDBStorage, trial_id: int) -> None:
    storage.set_trial_param(trial_id, "y", 2.0, optuna.distributions.FloatDistribution(0, 9))


def change_attribute(storage: optuna.storages.RDBStorage, trial_id: int) -> None:
    storage.set_trial_user_attr(trial_id, "curve", [0.5, 0.75])
    storage.set_trial_intermediate_value(trial_id, 2, 0.75)


@pytest.mark.parametrize("change", [add_rung, add_not_a_number, add_parameter, change_attribute])
def test_known_trial_that_another_process_changed_is_read_as_optuna_does(
    change: Callable[[optuna.storages.RDBStorage, int], None],
    store: StudyStore,
    study: optuna.Study,
) -> None:
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.set_user_attr("curve", [0.5])
    trial.report(0.5, 1)
    assert study.get_trials()[0].user_attrs == {"curve": [0.5]}

    change(optuna.storages.RDBStorage(store.url), trial._trial_id)

    assert repr(study.get_trials()) == repr(seen_by_others(store))


def test_finished_trials_share_what_all_of_them_have(
    store: StudyStore, study: optuna.Study
) -> None:
    for number in range(2):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("curve", [{"quality_raw": 0.5 + number}])
        study.tell(trial, 0.5)

    first, second = optuna.load_study(study_name="a", storage=store.open()).get_trials(
        deepcopy=False
    )

    assert first.distributions["x"] is second.distributions["x"]
    assert next(iter(first.user_attrs["curve"][0])) is next(iter(second.user_attrs["curve"][0]))
    assert second.user_attrs == {"curve": [{"quality_raw": 1.5}]}
