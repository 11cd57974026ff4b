"""Latency when requests arrive at random, whether or not the last one was answered (``server``).

A closed loop waits with its next request until the answer is there, so a slow answer delays the
requests behind it and hides their waiting ("coordinated omission"). Here requests are scheduled
beforehand as a Poisson process, and each latency counts from the scheduled arrival. At 70 %
utilisation the p99 is about ten times that of the closed loop.

The idle time between requests is real: the process sleeps, its caches go cold, and small models
pay for it, as they do in service.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import Call, Clock
from rightfit.profiling.worker.units import NS_PER_S
from rightfit.request_path.raw_rows import Input

SPIN_NS = 200_000  # sleeping overshoots by 70 µs and more: the last stretch is spun


def poisson_arrivals_ns(
    rate_per_s: float, n_requests: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw arrival times in nanoseconds from the start, shape (n_requests,), rising."""
    gaps_ns = generator.exponential(NS_PER_S / rate_per_s, n_requests)
    return np.cumsum(gaps_ns).astype(np.int64)


def time_open_loop(
    call: Call,
    rows: Sequence[Input],
    arrivals_ns: npt.NDArray[np.int64],
    *,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> npt.NDArray[np.int64]:
    """Answer scheduled requests one after another, first come, first served.

    Args:
        call: Answers one input of ``rows``.
        rows: Inputs to rotate through.
        arrivals_ns: Scheduled arrival of each request, from now.
        clock_ns: Monotonic clock; tests pass a fake one.
        sleep: Waits the given seconds; tests pass a fake.

    Returns:
        Time from each request's scheduled arrival to its answer, in nanoseconds.
    """
    latencies_ns = np.empty(len(arrivals_ns), dtype=np.int64)
    start_ns = clock_ns()
    for i, row in zip(range(len(arrivals_ns)), itertools.cycle(rows), strict=False):
        due_ns = start_ns + int(arrivals_ns[i])
        wait_ns = due_ns - clock_ns()
        if wait_ns > SPIN_NS:
            sleep((wait_ns - SPIN_NS) / NS_PER_S)
        while clock_ns() < due_ns:
            pass
        call(row)
        latencies_ns[i] = clock_ns() - due_ns
    return latencies_ns
