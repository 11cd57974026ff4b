from __future__ import annotations

from collections.abc import Iterator

from rightfit.tuning.search.learning_curve import Look
from rightfit.tuning.steering import paused_trainings
from rightfit.tuning.steering.paused_trainings import PausedTrainings


def make_training() -> Iterator[Look]:
    yield from ()


def test_those_that_waited_longest_are_dropped_where_memory_ends() -> None:
    kept = PausedTrainings(cap_mib=3.0)

    for number in range(4):
        kept.keep(number, 1, make_training(), 1.0)

    assert list(kept.list_kept()) == [(1, 1), (2, 1), (3, 1)]


def test_number_is_bounded_however_small_they_are() -> None:
    kept = PausedTrainings(cap_mib=1e6)

    for number in range(paused_trainings.MAX_KEPT + 5):
        kept.keep(number, 1, make_training(), 0.0)

    assert len(kept.list_kept()) == paused_trainings.MAX_KEPT
    assert min(kept.list_kept()) == (5, 1)
