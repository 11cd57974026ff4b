from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from rightfit._core.errors import RightfitError
from rightfit_search.searching.studies.study_file import StudyFile
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_pool import TrialPool

pytestmark = pytest.mark.whole

RULE = optuna.pruners.SuccessiveHalvingPruner(min_resource=1)


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "studies", None)


@pytest.fixture
def study(store: StudyStore) -> optuna.Study:
    return optuna.create_study(
        study_name="a", storage=store.open(), direction="maximize", pruner=RULE
    )


def seen_by_others(store: StudyStore) -> list[FrozenTrial]:
    """Read the trials as another process would."""
    storage = JournalStorage(StudyFile(Path(store.place)))
    return optuna.load_study(study_name="a", storage=storage).trials


def out_of_reach(*_: Any, **__: Any) -> None:
    raise OSError("out of reach")


def begin(pool: TrialPool, **notes: Any) -> int:
    sampler = optuna.samplers.RandomSampler(seed=0)
    trial = pool.begin(sampler, lambda one: {"x": one.suggest_float("x", 0.0, 1.0)}, notes)
    return trial.number


def test_what_a_pool_notes_is_written_and_a_later_pool_knows_it(
    store: StudyStore, study: optuna.Study
) -> None:
    pool = TrialPool(study, store.open())
    numbers = [begin(pool, index=index) for index in range(4)]
    pool.note(0, {"curve": [0.5]})
    pool.report(0, 1, 0.5)
    pool.end(0, TrialState.COMPLETE, 0.5)
    pool.report(1, 1, 0.25)
    pool.end(1, TrialState.PRUNED)
    pool.note(2, {"stop_reason": "it broke"})
    pool.end(2, TrialState.FAIL)
    assert [trial.state.name for trial in seen_by_others(store)] == ["RUNNING"] * 4
    pool.write()
    later = TrialPool(optuna.load_study(study_name="a", storage=store.open()), store.open())

    assert numbers == [0, 1, 2, 3]
    stored = seen_by_others(store)
    assert [trial.state.name for trial in stored] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert stored[0].user_attrs == {"configuration": stored[0].params, "index": 0, "curve": [0.5]}
    for trial, own, known in zip(stored, pool.trials, later.trials, strict=True):
        for other in (own, known):
            assert (other.number, other.state, other.params) == (
                trial.number, trial.state, trial.params
            )  # fmt: skip
            assert (other.user_attrs, other.values) == (trial.user_attrs, trial.values)
            assert other.intermediate_values == trial.intermediate_values


def test_what_a_stopping_rule_notes_of_a_trial_is_stored(
    store: StudyStore, study: optuna.Study
) -> None:
    pool = TrialPool(study, store.open())
    number = begin(pool)
    pool.report(number, 1, 0.5)

    assert not pool.is_stopped_by_rule(number)  # the first of its rung
    pool.write()
    assert seen_by_others(store)[0].system_attrs == {"completed_rung_0": 0.5}


def test_what_could_not_be_written_is_written_later(
    store: StudyStore, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = TrialPool(study, store.open())
    number = begin(pool)
    pool.report(number, 1, 0.5)
    pool.end(number, TrialState.COMPLETE, 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(StudyFile, "append_logs", out_of_reach)
        with pytest.raises(OSError, match="out of reach"):
            pool.write()
    pool.write()

    (stored,) = seen_by_others(store)
    assert (stored.state, stored.intermediate_values) == (TrialState.COMPLETE, {1: 0.5})


def test_trial_that_cannot_be_sampled_is_not_stored(store: StudyStore, study: optuna.Study) -> None:
    pool = TrialPool(study, store.open())

    def fail(trial: optuna.Trial) -> dict[str, Any]:
        trial.suggest_float("x", 0.0, 1.0)
        raise KeyboardInterrupt("while sampling")

    with pytest.raises(KeyboardInterrupt, match="while sampling"):
        pool.begin(optuna.samplers.RandomSampler(), fail, {})

    assert seen_by_others(store) == []


def test_second_writer_is_noticed(store: StudyStore, study: optuna.Study) -> None:
    pool, other = (TrialPool(study, store.open()) for _ in range(2))
    begin(other)

    with pytest.raises(RightfitError, match="Another process writes to the study a"):
        begin(pool)

    assert [trial.state.name for trial in seen_by_others(store)] == ["RUNNING", "FAIL"]


def test_studies_that_were_deleted_begin_anew(store: StudyStore, study: optuna.Study) -> None:
    study.ask()
    shutil.rmtree(store.folder)
    anew = optuna.create_study(study_name="a", storage=store.open())
    anew.ask()

    assert len(seen_by_others(store)) == 1


def test_process_that_dies_with_its_studies_open_loses_nothing(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    program = (
        "import optuna, os, sys; from pathlib import Path\n"
        "from rightfit_search.searching.studies.study_store import StudyStore\n"
        "storage = StudyStore(Path(sys.argv[1]), None).open()\n"
        "study = optuna.create_study(study_name='a', storage=storage)\n"
        "study.ask().report(0.5, 1)\n"
        "os._exit(0)"
    )

    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    study = optuna.load_study(study_name="a", storage=store.open())

    assert [trial.intermediate_values for trial in study.trials] == [{1: 0.5}]
    assert not (tmp_path / "damaged").exists()
