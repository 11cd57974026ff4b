from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from factories.planned_searches import DEFAULT, PARAMS, plan
from harness.python_programs import run_python
from harness.searching import outcomes_by_index
from optuna.trial import TrialState

from rightfit._core.processes.lifeline import list_descendants
from rightfit._core.progress import Progress, listening
from rightfit.models.bundle import read_bundle
from rightfit_search.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.parallel import side_by_side
from rightfit_search.searching.parallel.forked_workers import (
    ForkedWorkers,
    shared_fork_server,
    start_fork_server,
)
from rightfit_search.searching.parallel.planned_search import PlannedSearch, complete_search
from rightfit_search.searching.parallel.side_by_side import (
    SearchQueue,
    carry_out,
    search_in_parallel,
    search_in_turn,
)
from rightfit_search.searching.pausing_plan import PausingPlan
from rightfit_search.searching.search import is_over
from rightfit_search.searching.search_scheduler import open_study
from rightfit_search.searching.studies.budget import CallLimit
from rightfit_search.searching.tasks import Report, Task

pytestmark = [pytest.mark.whole, pytest.mark.long]


def test_searches_side_by_side_find_what_they_find_one_by_one(
    blobs: TrainingData, tmp_path: Path
) -> None:
    found = []
    for n_at_once in (1, 2):
        searches = plan(blobs, tmp_path / str(n_at_once), n_at_once)
        search_in_parallel(searches)
        assert all(is_over(one.cell, one.settings, one.store) for one in searches)
        found.append([open_study(one.cell, one.settings, one.store) for one in searches])

    one_by_one, side_by_side = found
    assert [outcomes_by_index(study) for study in one_by_one] == [
        outcomes_by_index(study) for study in side_by_side
    ]


def test_search_with_several_workers_gives_the_trials_of_one(
    blobs: TrainingData, tmp_path: Path
) -> None:
    found = []
    for n_jobs in (1, 2):
        changes = {"sampler": "random", "targets": None, "early_stopping": "none"}
        studies = tmp_path / str(n_jobs)
        [search, *_] = plan(blobs, studies, 2, n_jobs=n_jobs, n_trials=10, **changes)
        search_in_parallel([search])
        found.append(open_study(search.cell, search.settings, search.store))

    alone, shared = found
    assert outcomes_by_index(shared) == outcomes_by_index(alone)


def test_no_core_waits_while_another_search_could_begin(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues: list[SearchQueue] = []
    waits_in_vain: list[bool] = []
    wait = ForkedWorkers.wait

    def make_queue(searches: Sequence[PlannedSearch]) -> SearchQueue:
        queues.append(SearchQueue(searches))
        return queues[-1]

    def look_and_wait(workers: ForkedWorkers) -> list[Report]:
        waits_in_vain.append(workers.has_room and queues[0].has_next)
        return wait(workers)

    monkeypatch.setattr(side_by_side, "SearchQueue", make_queue)
    monkeypatch.setattr(ForkedWorkers, "wait", look_and_wait)
    search_in_parallel(plan(blobs, tmp_path, 2))

    assert waits_in_vain
    assert not any(waits_in_vain)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("stopping", ["none", "pausing"])
def test_tasks_of_killed_processes_are_given_out_again(
    blobs: TrainingData,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    n_jobs: int,
    stopping: str,
) -> None:
    changes: dict[str, Any] = {"n_trials": 10, "n_retries": 9}
    if stopping == "none":
        changes |= {"targets": None, "early_stopping": "none"}
    searches = plan(blobs, tmp_path, 2, n_jobs=n_jobs, **changes)
    n_told = itertools.count()
    before = set(list_descendants(os.getpid()))  # such as measuring workers of other tests

    def kill_some(_: Progress) -> None:
        begun = set(list_descendants(os.getpid())) - before
        with contextlib.suppress(ProcessLookupError):  # one that has just ended
            processes = [pid for pid in begun if os.getpgid(pid) == pid and os.getsid(pid) != pid]
            if next(n_told) % 5 == 1 and processes:
                os.kill(max(processes), signal.SIGKILL)

    with caplog.at_level(logging.WARNING), listening(kill_some):
        search_in_parallel(searches)
    studies = [open_study(one.cell, one.settings, one.store) for one in searches]

    assert "a worker has died over a task" in caplog.text
    assert all(is_over(one.cell, one.settings, one.store) for one in searches)
    assert [list(outcomes_by_index(study)) for study in studies] == [list(range(10))] * 3
    assert [len(study.trials) for study in studies] == [10] * 3
    assert all(any(one.store.folder.rglob("*.onnx")) for one in searches)
    for one, study in zip(searches, studies, strict=True):
        for trial in study.get_trials(states=(TrialState.COMPLETE,)):
            read_bundle(one.store.bundle_folder(study.study_name, trial.number))


def test_search_whose_forking_process_is_killed_ends_as_if_it_had_not_been(
    blobs: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes: dict[str, Any] = {"n_trials": 6, "n_retries": 0}
    changes |= {"targets": None, "early_stopping": "none"}
    n_told = itertools.count()

    def kill_server(_: Progress) -> None:
        if next(n_told) in (2, 9):
            for process in psutil.Process().children():
                with contextlib.suppress(psutil.Error):  # one that has just ended
                    if "rightfit_search.searching.parallel.worker" in process.cmdline():
                        process.kill()

    found = []
    for name, listener in {"killed": kill_server, "undisturbed": lambda _: None}.items():
        searches = plan(blobs, tmp_path / name, 2, **changes)
        with listening(listener):
            search_in_parallel(searches)
        studies = [open_study(one.cell, one.settings, one.store) for one in searches]
        found.append([outcomes_by_index(study) for study in studies])

    assert "The process that starts the searches has died; another one is started" in caplog.text
    assert found[0] == found[1]


def test_a_single_task_is_carried_out_though_its_worker_is_killed(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, *_ = plan(blobs, tmp_path, 1)
    submit, n_submitted = ForkedWorkers.submit, itertools.count()

    def submit_and_kill(workers: ForkedWorkers, name: str, worker: str, task: Task) -> None:
        submit(workers, name, worker, task)
        end_s = time.monotonic() + 60
        while next(n_submitted) == 0 and time.monotonic() < end_s:
            begun = [pid for pid in list_descendants(os.getpid()) if os.getpgid(pid) == pid]
            forked = [pid for pid in begun if os.getsid(pid) != pid]
            if forked:
                os.kill(forked[-1], signal.SIGKILL)
                return
            time.sleep(0.01)

    monkeypatch.setattr(ForkedWorkers, "submit", submit_and_kill)
    task = Task("train", 0, {**PARAMS.fixed, **DEFAULT["default"]}, 0)
    result = carry_out(search, task)

    assert result is not None
    assert not result.fault


def test_workers_make_the_candidates_and_nothing_is_left_to_train(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = [
        replace(search, cell=replace(search.cell, learns_validation=True))
        for search in plan(blobs, tmp_path, 2)
    ]
    search_in_parallel(searches)

    def fail(run: TrainingRun) -> Iterator[Checkpoint]:
        raise AssertionError("all is trained")

    monkeypatch.setattr(get_family("linear"), "train", fail)
    for search in searches:
        candidates = complete_search(search).candidates
        assert {bundle.n_training_rows for bundle in candidates.values()} == {120}
        assert all(bundle.onnx for bundle in candidates.values())


def test_rule_that_only_this_process_knows_stops_trials_of_forked_workers(
    blobs: TrainingData, tmp_path: Path
) -> None:
    stop_all = optuna.pruners.ThresholdPruner(lower=2.0)  # no accuracy is that high
    changes = {"targets": None, "early_stopping": "none"}
    [search, *_] = plan(blobs, tmp_path, 1, n_trials=3, **changes)

    search_in_parallel([replace(search, rule=stop_all)])

    study = open_study(search.cell, search.settings, search.store)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 3


def test_a_search_that_another_run_searches_is_left_to_it(
    blobs: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    searches = plan(blobs, tmp_path, 2)
    theirs = searches[2]
    name = study_name(theirs.cell, theirs.settings)

    with theirs.store.locked(name), caplog.at_level(logging.INFO):
        search_in_parallel(searches)

    assert "y.a: another run searches it" in caplog.text
    over = [is_over(one.cell, one.settings, one.store) for one in searches]
    assert over == [True, True, False]


def test_interrupted_run_leaves_no_process(blobs: TrainingData, tmp_path: Path) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    before = set(list_descendants(os.getpid()))
    with pytest.raises(KeyboardInterrupt, match=r"^$"), listening(interrupt):
        search_in_parallel(plan(blobs, tmp_path, 2))

    assert not set(list_descendants(os.getpid())) - before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends what a killed process left")
def test_searches_end_with_a_killed_run_also_while_they_are_stopped(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
import numpy as np
from pathlib import Path
from typing import Any
from factories.planned_searches import plan
from rightfit_search.families.family import TrainingData
from rightfit.models.schema import InputSchema
from rightfit._core.processes.lifeline import list_descendants
from rightfit._core.progress import listening
from rightfit_search.searching.parallel.side_by_side import search_in_parallel

def die(step):
    if not step.n_done:
        return
    below = list_descendants(os.getpid())
    for pid in below:
        os.kill(pid, signal.SIGSTOP)
    print(*below, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

schema = InputSchema(("x", "y"), ("a", "b"), None)
data = TrainingData(np.eye(40, 2, dtype=np.float32), np.arange(40) % 2, schema)
with listening(die):
    search_in_parallel(plan(data, Path({str(tmp_path)!r}), 2))
"""
    done = run_python("-c", program)
    pids = [int(pid) for pid in done.stdout.split()]

    assert pids, done.stderr
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_warnings_of_a_search_are_those_of_the_run(
    blobs: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    searches = plan(blobs, tmp_path, 2, n_trials=1, targets=None, early_stopping="none")
    wrong = PARAMS.model_copy(update={"fixed": PARAMS.fixed | {"penalty": "wrong"}})
    searches[0] = replace(searches[0], cell=replace(searches[0].cell, params=wrong))

    with caplog.at_level(logging.WARNING):
        search_in_parallel(searches)

    assert "x.a: trial 0 failed" in caplog.text
    assert is_over(searches[1].cell, searches[1].settings, searches[1].store)


@pytest.mark.parametrize("limit", ["max_cpu_s", "max_wall_s"])
def test_a_task_that_takes_longer_than_it_may_ends_with_its_process(
    limit: str, blobs: TrainingData, tmp_path: Path
) -> None:
    search, *_ = plan(blobs, tmp_path, 1)
    endless = {**PARAMS.fixed, "n_epochs": 10_000_000, "alpha": 1e-4, "eta0": 0.1}

    result = carry_out(search, replace(Task("train", 0, endless, 0), **{limit: 0.2}))

    assert result is not None
    assert "all that the budget had left" in result.fault


def test_a_single_task_is_charged_with_what_prepared_its_worker(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ForkedWorkers, "take_overhead_s", lambda _: 7.0)
    limit = CallLimit(100.0, cpu_clock_ns=lambda: 0)
    search, *_ = plan(blobs, tmp_path, 1)

    result = carry_out(
        replace(search, limit=limit), Task("train", 0, {**PARAMS.fixed, **DEFAULT["default"]}, 0)
    )

    assert result is not None
    assert result.process_cpu_s >= result.cpu_s > 0.0
    assert limit.spent_cpu_s == result.cpu_s + 7.0


def test_a_call_is_charged_with_what_a_killed_worker_took(
    blobs: TrainingData, tmp_path: Path
) -> None:
    limit = CallLimit(1e6, cpu_clock_ns=lambda: 0)
    search = replace(plan(blobs, tmp_path, 1, n_retries=0)[0], limit=limit)
    before = set(list_descendants(os.getpid()))
    short = {**PARAMS.fixed, **DEFAULT["default"]}
    carry_out(search, Task("train", 0, short, 0))  # the libraries are imported now

    def kill_when_busy() -> None:
        while True:
            for pid in set(list_descendants(os.getpid())) - before:
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    is_worker = os.getpgid(pid) == pid and os.getsid(pid) != pid
                    if is_worker and psutil.Process(pid).cpu_times().user > 1.0:
                        os.kill(pid, signal.SIGKILL)
                        return
            time.sleep(0.01)

    killing = threading.Thread(target=kill_when_busy)
    killing.start()
    spent_s, endless = limit.spent_cpu_s, {**short, "n_epochs": 10_000_000}
    result = carry_out(search, Task("train", 1, endless, 0))
    killing.join()
    charged_s, server = limit.spent_cpu_s - spent_s, shared_fork_server([], None)
    end_s = time.monotonic() + 60
    while charged_s < 1.0 and time.monotonic() < end_s:  # until the server has waited for it
        charged_s += server.take_cpu_s()
        time.sleep(0.01)

    assert result is None
    assert charged_s >= 1.0


@pytest.mark.parametrize("search_all", [search_in_parallel, search_in_turn])
def test_final_trainings_are_within_the_limit_of_a_call(
    search_all: Any, blobs: TrainingData, tmp_path: Path
) -> None:
    limit = CallLimit(1e6)
    searches = [
        replace(search, limit=limit, cell=replace(search.cell, learns_validation=True))
        for search in plan(blobs, tmp_path, 2, budget_cpu_s=100.0)
    ]

    search_all(searches)

    for search in searches:
        candidates = complete_search(search).candidates
        assert {bundle.n_training_rows for bundle in candidates.values()} == {2 * len(blobs.labels)}


def test_a_search_goes_on_with_the_paused_training_of_its_default(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, begun = get_family("linear").train, []

    def note(run: TrainingRun) -> Iterator[Checkpoint]:
        begun.append({name: run.configuration[name] for name in DEFAULT["default"]})
        return train(run)

    monkeypatch.setattr(get_family("linear"), "train", note)
    monkeypatch.setattr(PausingPlan, "finish_default", lambda *_, **__: None)  # it pauses at once
    search, *_ = plan(blobs, tmp_path, 1)
    search_in_turn([search])

    assert begun.count(DEFAULT["default"]) == 1


def test_processes_of_a_search_that_goes_on_wait_for_it() -> None:
    server = start_fork_server([], n_threads=1)
    try:
        workers = ForkedWorkers(server, n_at_once=1)
        workers.begin("x", "", family="linear", n_workers=1)
        idle = workers.find_idle("x")
        workers.end("x", goes_on=True)
        has_room = workers.has_room
        workers.begin("x", "", family="linear", n_workers=1)

        assert has_room
        assert workers.find_idle("x") == idle

        workers.close()
    finally:
        server.close()
