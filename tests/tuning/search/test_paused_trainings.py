from __future__ import annotations

from collections.abc import Iterator

from rightfit.tuning.search import paused_trainings
from rightfit.tuning.search.learning_curve import Look
from rightfit.tuning.search.paused_trainings import PausedTrainings


def make_training() -> Iterator[Look]:
    yield from ()


def test_those_that_waited_longest_are_dropped_where_memory_ends() -> None:
    kept = PausedTrainings(cap_mib=3.0)

    for number in range(4):
        kept.keep(number, 1, make_training(), Look(None, {}, 1.0))

    assert [number for number in range(4) if kept.look_at(number, 1)] == [1, 2, 3]


def test_number_is_bounded_however_small_they_are() -> None:
    kept = PausedTrainings(cap_mib=1e6)

    for number in range(paused_trainings.MAX_KEPT + 5):
        kept.keep(number, 1, make_training(), Look(None, {}, 0.0))

    numbers = range(paused_trainings.MAX_KEPT + 5)
    assert [number for number in numbers if kept.look_at(number, 1)] == list(numbers)[5:]
