from __future__ import annotations

from typing import Any, cast

import pytest

from rightfit.tuning.parallel import crew
from rightfit.tuning.parallel.crew import CrewMember, State, choose_to_train


class Clock:
    """A clock that goes when told."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(crew, "time", clock)
    return clock


def make_member(state: State, trained_s: float = 0.0) -> CrewMember:
    nothing = cast("Any", None)  # neither its task nor its channel is asked
    return CrewMember(nothing, nothing, state=state, since_s=0.0, trained_s=trained_s)


def test_only_time_with_a_core_counts_as_training(clock: Clock) -> None:
    member = make_member("trains")

    states: list[State] = ["awaits core", "trains", "rests", "trains", "rests"]
    for state in states:
        clock.now_s += 1
        member.enter(state)

    assert member.trained_s == 3


def test_who_has_trained_least_gets_the_free_core() -> None:
    trains = make_member("trains", 0.0)
    rested = make_member("rests", 1.0)
    first, late = make_member("awaits core", 9.0), make_member("awaits core", 2.0)

    assert choose_to_train([first, late, rested, trains], 2) == [late]
    assert choose_to_train([first, late, rested, trains], 3) == [late, first]
    assert choose_to_train([first, late, rested, trains], 1) == []
