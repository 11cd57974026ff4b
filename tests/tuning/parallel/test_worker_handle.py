from __future__ import annotations

from typing import Any, cast

import pytest

from rightfit.tuning.parallel import scheduler
from rightfit.tuning.parallel.scheduler import State, WorkerHandle, next_to_train


class Clock:
    """A clock that goes when told."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(scheduler, "time", clock)
    return clock


def make_worker(state: State, trained_s: float = 0.0) -> WorkerHandle:
    nothing = cast("Any", None)  # neither its task nor its channel is asked
    return WorkerHandle(nothing, nothing, state=state, since_s=0.0, trained_s=trained_s)


def test_only_time_with_a_core_counts_as_training(clock: Clock) -> None:
    worker = make_worker("trains")

    states: list[State] = ["awaits core", "trains", "idle", "trains", "idle"]
    for state in states:
        clock.now_s += 1
        worker.enter(state)

    assert worker.trained_s == 3


def test_who_has_trained_least_gets_the_free_core() -> None:
    trains = make_worker("trains", 0.0)
    rested = make_worker("idle", 1.0)
    first, late = make_worker("awaits core", 9.0), make_worker("awaits core", 2.0)

    assert next_to_train([first, late, rested, trains], 2) == [late]
    assert next_to_train([first, late, rested, trains], 3) == [late, first]
    assert next_to_train([first, late, rested, trains], 1) == []
