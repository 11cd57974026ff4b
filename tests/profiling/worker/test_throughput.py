from __future__ import annotations

import numpy as np
import pytest

from rightfit.profiling.worker.throughput import BatchTiming, batches, best_batch_size, time_batches


def test_batches_are_contiguous_and_whole() -> None:
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)

    cut = batches(rows, 3)

    assert [batch[:, 0].tolist() for batch in cut] == [[0, 2, 4], [6, 8, 10]]
    assert all(batch.flags.c_contiguous for batch in cut)


def test_batches_need_enough_rows() -> None:
    with pytest.raises(ValueError, match="batch_size=8"):
        batches(np.zeros((7, 2), dtype=np.float32), 8)


def test_throughput_is_rows_over_the_time_of_all_calls() -> None:
    now_ns = [0]

    def call(batch: object) -> None:
        now_ns[0] += 250_000_000

    timing = time_batches(
        call,
        [np.zeros((10, 1), dtype=np.float32)],
        10,
        min_calls=1,
        min_ns=900_000_000,
        max_ns=2_000_000_000,
        clock_ns=lambda: now_ns[0],
    )

    assert timing == BatchTiming(batch_size=10, rows_per_s=40.0, n_calls=4, longest_call_ms=250.0)


@pytest.mark.parametrize(
    ("rows_per_s", "expected"),
    [
        ({1: 10.0, 8: 60.0, 64: 100.0}, 64),
        ({1: 10.0, 8: 99.0, 64: 100.0}, 8),  # a larger batch that gains 1 % is not worth it
        ({1: 10.0, 8: 100.0, 64: 50.0}, 8),
    ],
)
def test_best_batch_size_is_the_smallest_that_is_about_as_fast(
    rows_per_s: dict[int, float], expected: int
) -> None:
    assert best_batch_size(rows_per_s) == expected
