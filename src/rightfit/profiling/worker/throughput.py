"""Rows answered per second when all rows are there at once (MLPerf's scenario ``offline``).

Throughput is measured at several batch sizes, never derived from a latency. Batch sizes rise, so
that the memory high-water mark after one belongs to it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightfit.profiling.worker.latency import Call, Clock
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S
from rightfit.request_path.raw_rows import Input, Pool, cut_input

# A larger batch must be faster by this share to be preferred: it takes more memory.
WORTHWHILE_GAIN = 0.05


@dataclass(frozen=True)
class BatchTiming:
    """Repeated calls with one batch size.

    Args:
        batch_size: Rows a call.
        rows_per_s: Rows answered divided by the time of all calls.
        n_calls: Calls timed.
        longest_call_ms: The longest of them.
    """

    batch_size: int
    rows_per_s: float
    n_calls: int
    longest_call_ms: float


def batches(rows: Pool, batch_size: int) -> list[Input]:
    """Cut rows into contiguous batches, leaving out an incomplete last one.

    Raises:
        ValueError: If there are fewer rows than one batch holds.
    """
    if len(rows) < batch_size:
        raise ValueError(f"A batch of {batch_size=} needs as many rows, but got {len(rows)=}.")
    starts = range(0, len(rows) - batch_size + 1, batch_size)
    return [cut_input(rows, i, i + batch_size) for i in starts]


def time_batches(
    call: Call,
    inputs: Sequence[Input],
    batch_size: int,
    *,
    min_calls: int,
    min_ns: int,
    max_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
) -> BatchTiming:
    """Time calls with batches back to back.

    Args:
        call: Answers one batch.
        inputs: Batches of one size to rotate through.
        batch_size: Rows of each.
        min_calls: Calls to make, unless ``max_ns`` is over before.
        min_ns: Shortest time to go on for.
        max_ns: Time after which no further call is started.
        clock_ns: Monotonic clock; tests pass a fake one.
    """
    start_ns = clock_ns()
    n_calls = 0
    spent_ns = longest_ns = 0
    for batch in itertools.cycle(inputs):
        call(batch)
        n_calls += 1
        before_ns, spent_ns = spent_ns, clock_ns() - start_ns
        longest_ns = max(longest_ns, spent_ns - before_ns)
        if spent_ns >= max_ns or (n_calls >= min_calls and spent_ns >= min_ns):
            break
    rows_per_s = n_calls * batch_size * NS_PER_S / spent_ns
    return BatchTiming(batch_size, rows_per_s, n_calls, longest_ns / NS_PER_MS)


def best_batch_size(rows_per_s: Mapping[int, float]) -> int:
    """Return the smallest batch size beyond which a larger one gains too little.

    Args:
        rows_per_s: Throughput at each batch size.

    >>> best_batch_size({64: 100.0, 512: 198.0, 4096: 200.0})
    512
    """
    fastest = max(rows_per_s.values())
    return min(size for size, rate in rows_per_s.items() if rate >= fastest / (1 + WORTHWHILE_GAIN))
