"""Latency of one row a call, in a closed loop (MLPerf's scenario ``single_stream``).

Rows rotate: the same row fed again and again flatters tree ensembles by a factor of up to four,
because their path stays in the cache. Calls follow each other without a pause, which is the best
case; what waiting in a queue adds is measured under load.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.raw_rows import Input
from rightfit.measuring.worker.units import NS_PER_MS

Call = Callable[[Any], object]  # answers one input: encoded rows, or raw columns
Clock = Callable[[], int]

# Confidence of MLPerf inference's early-stopping rule, see min_calls_to_report.
REPORT_CONFIDENCE = 0.99
MEDIAN = 0.5
P99 = 0.99

# Warming up ends when a block of calls is no longer faster than the block before by this share, but
# not before a time in which the tail still falls though the middle no longer does.
WARM_GAIN = 0.05
WARM_MIN_NS = 20 * NS_PER_MS
WARM_BLOCK_NS = 2 * NS_PER_MS
WARM_BLOCK_CALLS = 3

# Calls at the beginning of a slice refill the caches that others have used since the last one. They
# do not count where more follow.
REFILL_MS = 1.0


def warm_up(
    call: Call,
    rows: Sequence[Input],
    *,
    max_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
) -> None:
    """Call until the calls stop getting faster.

    Args:
        call: Answers one input of ``rows``.
        rows: Inputs to rotate through.
        max_ns: Time after which no further block is started; also when shorter than the least.
        clock_ns: Monotonic clock; tests pass a fake one.
    """
    inputs = itertools.cycle(rows)
    start_ns = clock_ns()
    previous_ns = math.inf
    while True:
        block_start_ns = clock_ns()
        n_block = 0
        while n_block < WARM_BLOCK_CALLS or clock_ns() - block_start_ns < WARM_BLOCK_NS:
            call(next(inputs))
            n_block += 1
        now_ns = clock_ns()
        mean_ns = (now_ns - block_start_ns) / n_block
        is_steady = mean_ns > previous_ns * (1 - WARM_GAIN)
        wall_ns = now_ns - start_ns
        if wall_ns >= max_ns or (is_steady and wall_ns >= WARM_MIN_NS):
            return
        previous_ns = mean_ns


def time_calls(
    call: Call,
    inputs: Iterator[Any],
    *,
    min_calls: int,
    min_ns: int,
    max_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
) -> npt.NDArray[np.int64]:
    """Time calls one by one.

    Args:
        call: Answers one input; on a GPU it must wait for the device.
        inputs: Endless, such as ``itertools.cycle(rows)``.
        min_calls: Calls to time, unless ``max_ns`` is over before.
        min_ns: Shortest time to go on for, however many calls that are.
        max_ns: Time after which no further call is started.
        clock_ns: Monotonic clock; tests pass a fake one.

    Returns:
        Wall time of each call in nanoseconds, in call order; at least one.
    """
    samples = np.empty(max(min_calls, 4_096), dtype=np.int64)
    start_ns = clock_ns()
    n_calls = 0
    for row in inputs:
        before_ns = clock_ns()
        call(row)
        after_ns = clock_ns()
        if n_calls == len(samples):  # double: appending to a list would disturb memory readings
            samples = np.concatenate([samples, np.empty_like(samples)])
        samples[n_calls] = after_ns - before_ns
        n_calls += 1
        spent_ns = after_ns - start_ns
        if spent_ns >= max_ns or (n_calls >= min_calls and spent_ns >= min_ns):
            break
    return samples[:n_calls].copy()


def percentile_ns(samples_ns: npt.NDArray[np.float64 | np.int64], share: float) -> float | None:
    """Return a percentile of one process' calls, estimated without median bias.

    The estimator is Hyndman and Fan's type 8 (The American Statistician 50, 1996), approximately
    median-unbiased whatever the distribution: that is what an interval over processes needs.

    Args:
        samples_ns: Timed calls.
        share: Percentile as a share in (0, 1).

    Returns:
        The percentile in nanoseconds, ``None`` when the calls are too few to hold it.

    >>> percentile_ns(np.array([30, 10, 20]), 0.5)
    20.0
    >>> percentile_ns(np.array([30, 10, 20]), 0.95) is None
    True
    """
    if len(samples_ns) < calls_to_hold(share):
        return None
    return float(np.quantile(samples_ns, share, method="median_unbiased"))


def min_calls_to_report(share: float) -> int:
    """Return how many calls MLPerf inference asks for before a percentile may be reported.

    Its early-stopping rule needs a sample in which fewer than two calls above the percentile
    would occur by chance with a probability of at most 1 %. The median is no tail: it is reported
    from any number of calls, beside its interval.

    Args:
        share: Percentile as a share in (0, 1).

    >>> [min_calls_to_report(share) for share in (0.5, 0.9, 0.95, 0.99, 0.999)]
    [1, 64, 130, 662, 6636]
    """
    if share <= MEDIAN:
        return 1
    n_calls = 2
    while share**n_calls + n_calls * (1 - share) * share ** (n_calls - 1) > 1 - REPORT_CONFIDENCE:
        n_calls += 1
    return n_calls


def calls_to_hold(share: float) -> int:
    """Return how many calls a process needs so that the percentile lies within what it saw.

    Type 8 places a percentile at position ``(n + 1/3) * share + 1/3``, which must not exceed
    ``n``.

    >>> calls_to_hold(0.5), calls_to_hold(0.95), calls_to_hold(0.99)
    (1, 13, 67)
    """
    return math.ceil((share + 1) / (3 * (1 - share)) - 1e-9)
