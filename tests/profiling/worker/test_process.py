from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightfit.profiling.measuring.worker_pool import Worker, WorkerKind, WorkerPool
from rightfit.profiling.worker.process import HiddenLibraries

KNOWN_LOAD = "rightfit.profiling.known_load:open_known_load"


@pytest.fixture
def worker(pool: WorkerPool) -> Worker:
    return pool.get(WorkerKind(imports=(), n_threads=1))


def request(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    rows = tmp_path / "rows.npy"
    np.save(rows, np.zeros((3, 2), dtype=np.float32))
    return {
        "task": "predict",
        "factory": KNOWN_LOAD,
        "arguments": {"sleep_ms": 0, "burn_ms": 0, "allocate_mib": 0, "n_classes": 2},
        "memory_limit_mib": None,
        "rows": str(rows),
        "answers": str(tmp_path / "answers.npy"),
    } | changes


def measuring_request(tmp_path: Path, *, n_visits: int) -> dict[str, Any]:
    window = {"min_calls": 3, "min_ms": 0, "max_ms": 5_000, "max_call_ms": 100}
    return request(
        tmp_path,
        task="measure",
        n_visits=n_visits,
        latency=window,
        batch=window,
        batch_sizes=[2],
        warm_up_max_ms=1,
        probe_known_ns=None,
        slow_wait_max_ms=0,
        samples=str(tmp_path / "samples.npy"),
        files_mib=None,
    )


def test_empty_worker_describes_itself(worker: Worker) -> None:
    hello = worker.hello

    assert hello["cores"] == [max(os.sched_getaffinity(0))]
    assert hello["base_peak_mib"] >= hello["base_resident_mib"] > 10


def test_child_answers_every_row(worker: Worker, tmp_path: Path) -> None:
    answer = worker.ask(request(tmp_path))

    assert answer["ok"]
    assert answer["n_rows"] == 3
    assert np.load(tmp_path / "answers.npy").tolist() == [[0.5, 0.5]] * 3


def test_child_that_raises_says_what(worker: Worker, tmp_path: Path) -> None:
    answer = worker.ask(request(tmp_path, arguments={}))

    assert not answer["ok"]
    assert "TypeError" in answer["error"]
    assert "sleep_ms" in answer["error"]


def test_child_that_dies_is_an_answer_and_the_worker_lives(worker: Worker, tmp_path: Path) -> None:
    dead = worker.ask(request(tmp_path, factory="os:_exit", arguments={"status": 3}))
    alive = worker.ask(request(tmp_path))

    assert dead == {"ok": False, "error": "the measuring process ended early (exit status 3)"}
    assert alive["ok"]


def test_staying_child_is_visited_until_it_is_done(worker: Worker, tmp_path: Path) -> None:
    first = worker.ask(measuring_request(tmp_path, n_visits=3))
    between = worker.ask(request(tmp_path))
    second = worker.ask({"child": first["child"]})
    last = worker.ask({"child": first["child"]})

    assert (first["visits_left"], second["visits_left"]) == (2, 1)
    assert first["child"] == second["child"]
    assert between["n_rows"] == 3
    assert last["ok"]
    assert last["latency"]["n_calls"] >= 3
    assert "child" not in last


def test_staying_child_that_dies_is_an_answer(worker: Worker, tmp_path: Path) -> None:
    staying = worker.ask(measuring_request(tmp_path, n_visits=2))
    os.kill(staying["child"], signal.SIGKILL)

    dead = worker.ask({"child": staying["child"]})

    assert dead == {"ok": False, "error": "the measuring process ended early (signal SIGKILL)"}
    assert not worker.has_children


def test_staying_children_end_with_their_worker(tmp_path: Path) -> None:
    worker = Worker(WorkerKind(imports=(), n_threads=1))
    pids = [worker.ask(measuring_request(tmp_path, n_visits=2))["child"] for _ in range(3)]

    worker.close()

    end_s = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert [is_alive(pid) for pid in pids] == [False] * 3


def test_staying_child_ends_when_it_is_let_go(worker: Worker, tmp_path: Path) -> None:
    older, younger = (worker.ask(measuring_request(tmp_path, n_visits=2))["child"] for _ in "ab")

    left = worker.ask({"child": older, "leaves": True})

    assert left == {"ok": True, "status": 0}
    assert not is_alive(older)
    assert is_alive(younger)
    assert worker.ask({"child": younger})["ok"]


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_memory_limit_stops_a_model_that_needs_more(worker: Worker, tmp_path: Path) -> None:
    arguments = {"sleep_ms": 0, "burn_ms": 0, "allocate_mib": 4_000, "n_classes": 2}

    answer = worker.ask(request(tmp_path, arguments=arguments, memory_limit_mib=2_000))

    assert not answer["ok"]
    assert "MemoryError" in answer["error"]


def test_hidden_libraries_cannot_be_imported() -> None:
    finder = HiddenLibraries(frozenset({"torch"}))

    with pytest.raises(ModuleNotFoundError, match=r"torch\.nn is hidden"):
        finder.find_spec("torch.nn")
    finder.find_spec("torchless")


def test_hidden_libraries_look_absent_to_those_who_ask(worker: Worker, tmp_path: Path) -> None:
    # Answers nothing but whether pandas can be found: None has no attribute "name".
    answer = worker.ask(
        request(tmp_path, factory="importlib.util:find_spec", arguments={"name": "pandas"})
    )

    assert "NoneType" in answer["error"]
