from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import cast

import pytest

from rightfit._core.processes.channel import Channel
from rightfit._core.processes.starting import ForkServer
from rightfit_search.searching.parallel.forked_workers import ForkedWorkers, start_fork_server
from rightfit_search.searching.tasks import KINDS, Task, TaskResult

pytestmark = pytest.mark.whole

FAMILY = """
from pathlib import Path

from rightfit_search.families.family import Family

class Noted(Family):
    def load_libraries(self):
        with Path({notes!r}).open("a") as notes:
            notes.write("{name} ")

Noted.__abstractmethods__ = frozenset()  # nothing else is asked of it
FAMILY = Noted()
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where families note that their libraries are loaded, in this order."""
    notes = tmp_path / "notes"
    (tmp_path / "noted").mkdir()
    for name in ("first", "second", "third", "other"):
        text = FAMILY.format(name=name, notes=str(notes))
        (tmp_path / "noted" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return notes


def fork_of(server: ForkServer, family: str) -> None:
    """Fork a process and let it end: it is told nothing."""
    channel = server.fork(family)
    channel.close()


def await_notes(notes: Path, *, n: int) -> list[str]:
    end_s = time.monotonic() + 60
    while not notes.exists() or len(notes.read_text().split()) < n:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    return notes.read_text().split()


def test_who_is_asked_for_does_not_wait_for_the_libraries_of_others(notes: Path) -> None:
    server = start_fork_server(["noted.first", "noted.second", "noted.third"], n_threads=1)
    try:
        fork_of(server, "noted.third")  # while the server still imports its own modules

        assert await_notes(notes, n=3) == ["third", "first", "second"]
    finally:
        server.close()


def test_libraries_of_an_unknown_family_are_left_to_its_process(notes: Path) -> None:
    server = start_fork_server(["noted.first"], n_threads=1)
    try:
        fork_of(server, "noted.other")
        fork_of(server, "noted.first")

        assert await_notes(notes, n=1) == ["first"]
    finally:
        server.close()


class PlayedServer:
    """Forks nothing: a test plays the processes."""

    def __init__(self) -> None:
        self.workers: list[Channel] = []

    def take_cpu_s(self) -> float:
        return 0.5

    def note_end(self, _: float) -> None:
        pass

    def ends_within(self, _: float) -> bool:
        return False

    def fork(self, _: str) -> Channel:
        ours, theirs = socket.socketpair()
        self.workers.append(Channel(theirs, KINDS))
        return Channel(ours, KINDS)


def test_all_that_a_worker_takes_is_counted() -> None:
    server = PlayedServer()
    workers = ForkedWorkers(cast("ForkServer", server), n_at_once=1)
    workers.begin("x", "", family="linear", n_workers=1)
    counted_s = []
    for cpu_s, process_cpu_s in ((2.0, 5.0), (1.0, 6.5)):  # of the task, of the process so far
        workers.submit("x", workers.find_idle("x")[0], Task("train", 0, {}, 0))
        server.workers[0].send(TaskResult(0.0, 1.0, cpu_s, process_cpu_s=process_cpu_s))
        workers.wait()
        counted_s.append(cpu_s + workers.take_overhead_s())
    workers.close()
    server.workers[0].close()

    assert counted_s == [5.0 + 0.5, 1.5 + 0.5]


def test_a_worker_that_ends_with_its_result_is_replaced_at_once() -> None:
    server = PlayedServer()
    workers = ForkedWorkers(cast("ForkServer", server), n_at_once=1)
    workers.begin("x", "", family="linear", n_workers=1)
    workers.submit("x", workers.find_idle("x")[0], Task("train", 0, {}, 0))
    server.workers[0].send(TaskResult(0.0, 1.0, 2.0, "failed", ends_worker=True))  # open as yet
    [report] = workers.wait()
    workers.submit("x", workers.find_idle("x")[0], Task("train", 1, {}, 0))
    task = server.workers[-1].receive()
    task = task if isinstance(task, Task) else server.workers[-1].receive()  # after its start
    workers.close()
    for worker in server.workers:
        worker.close()

    assert report.result is not None
    assert task == Task("train", 1, {}, 0)
    assert len(server.workers) == 2
