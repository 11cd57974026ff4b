from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightfit.profiling.worker import HiddenLibraries
from rightfit.profiling.workers import Worker, WorkerKind, WorkerPool

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
