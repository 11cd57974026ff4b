from __future__ import annotations

import pytest
from factories.measurements import BATCH, make_round

from rightfit.measuring.rounds.batch_sizes import (
    find_best_batch_size,
    find_contending_sizes,
    list_batch_sizes,
)
from rightfit.measuring.rounds.state import FinishedRound


def make_rounds(rates: list[dict[int, float]]) -> list[FinishedRound]:
    return [
        make_round(
            batches=[BATCH | {"batch_size": n, "rows_per_s": rate} for n, rate in each.items()]
        )
        for each in rates
    ]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([{1: 10.0, 8: 60.0, 64: 100.0}], 64),
        ([{1: 10.0, 8: 98.0, 64: 100.0}], 8),  # a larger batch that gains 2 % is not worth it
        ([{1: 10.0, 8: 100.0, 64: 50.0}], 8),
        # what one process saw by luck decides nothing, nor that one is slower in all sizes
        ([{8: 90.0, 64: 10.0}, {8: 5.0, 64: 10.0}, {8: 50.0, 64: 100.0}], 64),
    ],
)
def test_best_batch_size_is_the_smallest_that_is_about_as_fast_by_all_processes(
    rates: list[dict[int, float]], expected: int
) -> None:
    assert find_best_batch_size(make_rounds(rates)) == expected


def test_size_that_few_processes_timed_is_no_point_of_the_curve() -> None:
    rounds = make_rounds([{8: 90.0, 64: 900.0}, {8: 90.0}, {8: 90.0}])

    assert list_batch_sizes(rounds) == [8]
    assert find_best_batch_size(rounds) == 8


def test_sizes_that_may_be_the_best_are_those_near_it() -> None:
    rounds = make_rounds([{1: 10.0, 8: 90.0, 64: 100.0}] * 2)

    assert find_contending_sizes(rounds) == [8, 64]
    assert find_contending_sizes([]) == []
