from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightfit._core.processes.lifeline import list_descendants
from rightfit.measuring.rounds.worker_pool import Worker, WorkerKind, WorkerPool
from rightfit.measuring.worker.process import HiddenLibraries
from rightfit.measuring.worker.protocol import (
    Failure,
    FinishRequest,
    MeasureRequest,
    Predicted,
    PredictRequest,
    Ready,
    SliceRequest,
    SliceTimed,
)
from rightfit.measuring.worker.results import ProcessResult

ARGUMENTS = {"sleep_ms": 0, "burn_ms": 0, "allocate_mib": 0, "n_classes": 2}


@pytest.fixture
def worker(pool: WorkerPool) -> Worker:
    return pool.get(WorkerKind(imports=(), n_threads=1))


def predicting(tmp_path: Path, **changes: Any) -> PredictRequest:
    rows = tmp_path / "rows.npy"
    np.save(rows, np.zeros((3, 2), dtype=np.float32))
    request = PredictRequest(
        factory="fakes.known_load:open_known_load",
        arguments=ARGUMENTS,
        rows=str(rows),
        predictions=str(tmp_path / "answers.npy"),
    )
    return replace(request, **changes)


def measuring(tmp_path: Path) -> MeasureRequest:
    request = predicting(tmp_path)
    return MeasureRequest(
        factory=request.factory,
        arguments=request.arguments,
        rows=request.rows,
        slice_ms=1,
        batch_sizes=(2,),
        batch_max_call_ms=100,
        warm_up_max_ms=1,
        samples=str(tmp_path / "samples.npy"),
        files_mib=None,
    )


def open_child(worker: Worker, request: MeasureRequest) -> int:
    """Return the number of a child that is ready for slices."""
    answer = worker.ask(request, Ready)
    assert isinstance(answer, Ready), answer
    return answer.child


def test_empty_worker_describes_itself(worker: Worker) -> None:
    hello = worker.hello

    assert hello.cores == (max(os.sched_getaffinity(0)),)
    assert hello.base_peak_mib >= hello.base_resident_mib > 10


def test_child_answers_every_row(worker: Worker, tmp_path: Path) -> None:
    answer = worker.ask(predicting(tmp_path), Predicted)

    assert answer == Predicted(3)
    assert np.load(tmp_path / "answers.npy").tolist() == [[0.5, 0.5]] * 3


def test_child_that_answered_has_ended(worker: Worker, tmp_path: Path) -> None:
    answer = worker.ask(predicting(tmp_path), Predicted)

    assert not list_descendants(worker.pid)
    assert answer == Predicted(3)


def test_child_that_raises_says_what(worker: Worker, tmp_path: Path) -> None:
    answer = worker.ask(predicting(tmp_path, arguments={}), Predicted)

    assert isinstance(answer, Failure)
    assert "TypeError" in answer.error
    assert "sleep_ms" in answer.error
    assert "Traceback" in answer.detail


def test_child_that_dies_is_an_answer_and_the_worker_lives(worker: Worker, tmp_path: Path) -> None:
    dying = predicting(tmp_path, factory="os:_exit", arguments={"status": 3})

    dead = worker.ask(dying, Predicted)
    alive = worker.ask(predicting(tmp_path), Predicted)

    assert dead == Failure("the measuring process ended early (exit status 3)")
    assert alive == Predicted(3)


def test_first_call_reads_no_installed_distributions(pool: WorkerPool, tmp_path: Path) -> None:
    pytest.importorskip("narwhals")
    worker = pool.get(WorkerKind(imports=("narwhals.dependencies",), n_threads=1))
    asking = predicting(
        tmp_path, factory="fakes.known_load:open_without_distributions", arguments={}
    )

    answer = worker.ask(asking, Predicted)

    assert answer == Predicted(3)


def test_child_is_timed_in_slices_until_it_tells_what_it_found(
    worker: Worker, tmp_path: Path
) -> None:
    child = open_child(worker, measuring(tmp_path))
    first = worker.ask(SliceRequest(child), SliceTimed)
    between = worker.ask(predicting(tmp_path), Predicted)
    second = worker.ask(SliceRequest(child, 2), SliceTimed)
    last = worker.ask(FinishRequest(child), ProcessResult)

    assert isinstance(first, SliceTimed)
    assert isinstance(second, SliceTimed)
    assert first.call_ns > 0
    assert second.call_ns > 0
    assert between == Predicted(3)
    assert isinstance(last, ProcessResult)
    assert last.latency.n_calls >= 1
    assert last.batches[0].n_calls >= 1
    assert not worker.has_children


def test_process_of_several_threads_is_stopped_between_its_slices(
    pool: WorkerPool, tmp_path: Path
) -> None:
    worker = pool.get(WorkerKind(imports=(), n_threads=2))
    first, second, third = (open_child(worker, measuring(tmp_path)) for _ in range(3))

    states = [await_state(first, "T")]
    for child in (first, second):
        for batch_size in (None, 2):
            worker.ask(SliceRequest(child, batch_size), SliceTimed)
            states.append(await_state(child, "T"))
    finished = worker.ask(FinishRequest(first), ProcessResult)
    os.kill(second, signal.SIGCONT)  # somebody else's signal
    states.append(await_state(second, "S"))  # it has seen it: two that wait are one
    woken = worker.ask(FinishRequest(second), ProcessResult)
    worker.leave(third)

    assert states == ["T"] * 5 + ["S"]
    assert isinstance(finished, ProcessResult)
    assert isinstance(woken, ProcessResult)
    assert not list_descendants(worker.pid)


def await_state(pid: int, awaited: str) -> str:
    """Return the state of a process once it is the awaited one, at the latest after a minute."""
    end_s = time.monotonic() + 60
    while (state := read_state(pid)) != awaited and time.monotonic() < end_s:
        time.sleep(0.01)
    return state


def read_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_ready_child_that_dies_is_an_answer(worker: Worker, tmp_path: Path) -> None:
    child = open_child(worker, measuring(tmp_path))
    os.kill(child, signal.SIGKILL)

    dead = worker.ask(SliceRequest(child), SliceTimed)

    assert dead == Failure(
        "the measuring process ended early (signal SIGKILL, as when the machine's memory runs out)"
    )
    assert not worker.has_children


def test_ready_children_end_with_their_worker(tmp_path: Path) -> None:
    worker = Worker(WorkerKind(imports=(), n_threads=1))
    pids = [open_child(worker, measuring(tmp_path)) for _ in range(3)]

    worker.close()

    end_s = time.monotonic() + 60
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert [is_alive(pid) for pid in pids] == [False] * 3


def test_ready_child_ends_when_its_pipe_is_closed(worker: Worker, tmp_path: Path) -> None:
    older, younger = (open_child(worker, measuring(tmp_path)) for _ in "ab")

    worker.leave(older)

    assert not is_alive(older)
    assert is_alive(younger)
    assert isinstance(worker.ask(SliceRequest(younger), SliceTimed), SliceTimed)
    worker.leave(younger)  # the worker is every test's


def is_alive(pid: int) -> bool:
    try:
        return read_state(pid) != "Z"
    except OSError:
        return False


def test_memory_limit_stops_a_model_that_needs_more(worker: Worker, tmp_path: Path) -> None:
    large = predicting(
        tmp_path, arguments=ARGUMENTS | {"allocate_mib": 4_000}, memory_limit_mib=2_000
    )

    answer = worker.ask(large, Predicted)

    assert isinstance(answer, Failure)
    assert "MemoryError" in answer.error


def test_hidden_libraries_cannot_be_imported() -> None:
    finder = HiddenLibraries(frozenset({"torch"}))

    with pytest.raises(ModuleNotFoundError, match=r"torch\.nn is hidden"):
        finder.find_spec("torch.nn")
    finder.find_spec("torchless")


def test_hidden_libraries_look_absent_to_those_who_ask(worker: Worker, tmp_path: Path) -> None:
    # Answers only whether pandas can be found: None cannot be called.
    asking = predicting(tmp_path, factory="importlib.util:find_spec", arguments={"name": "pandas"})

    answer = worker.ask(asking, Predicted)

    assert isinstance(answer, Failure)
    assert "NoneType" in answer.error
