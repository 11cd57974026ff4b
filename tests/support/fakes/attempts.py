"""Cases for the tests of ``tests/attack/watching.py``: they end well, badly, or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from outcomes import Attempt, Outcome, Part


def end_well(name: str) -> Iterable[Outcome]:
    return [Outcome(name, "clear")]


def end_badly(name: str) -> Iterable[Outcome]:
    return [Outcome(name, "clear"), Outcome(name, "losses", "a file")]


def hang(name: str) -> Iterable[Outcome]:
    if os.fork() == 0:  # what it has started must end with it
        time.sleep(3_600)
    time.sleep(3_600)
    return []


def crash(name: str) -> Iterable[Outcome]:
    os._exit(3)


def raise_error(name: str) -> Iterable[Outcome]:
    raise ZeroDivisionError


def list_attempts(place: Path) -> list[Attempt]:
    (place / "a file").touch()  # the folder exists
    tried = (end_well, hang, crash, raise_error, end_badly, end_well)
    return [Attempt(one.__name__, lambda one=one: one(one.__name__)) for one in tried]


PARTS = {
    "first": Part(list_attempts, patience_s=10.0, n_at_once=6),
    "second": Part(list_attempts, n_at_once=2),
}
