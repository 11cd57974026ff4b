from __future__ import annotations

import time
from pathlib import Path

import pytest

from rightfit._core.processes.starting import ForkServer
from rightfit.searching.parallel.forked_workers import start_fork_server

pytestmark = pytest.mark.whole

FAMILY = """
from pathlib import Path

from rightfit.models.family import Family

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
