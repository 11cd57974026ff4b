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
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import Call, Clock, percentile_ns
from rightfit.profiling.worker.units import MS_PER_S, NS_PER_MS, NS_PER_S

SHARE = 0.99
SPIN_NS = 200_000  # sleeping overshoots by 70 µs and more: the last stretch is spun
MAX_UTILISATION = 0.98  # beyond, the queue only grows
N_REPLAY_STEPS = 24
N_SEARCH_STEPS = 5
SEARCH_DEPTH = 3.0  # the queue replay was found to be too high by up to 40 %


# A queue needs time to grow: a trial shorter than its limit would meet it at any rate.
TRIAL_LIMITS = 10


def requests_of_trial(rate_per_s: float, *, limit_ms: float, n_requests: int) -> int:
    """Return how many requests a trial at a rate needs.

    Args:
        rate_per_s: Rate of arrivals.
        limit_ms: Limit of the p99: a trial lasts ten times as long.
        n_requests: Requests at least.

    >>> requests_of_trial(20.0, limit_ms=50, n_requests=700)
    700
    >>> requests_of_trial(10_000.0, limit_ms=50, n_requests=700)
    5000
    """
    return max(n_requests, math.ceil(rate_per_s * TRIAL_LIMITS * limit_ms / MS_PER_S))


@dataclass(frozen=True)
class MaxRate:
    """Outcome of the search for the highest rate.

    Args:
        rate_per_s: Highest rate that met the limit; ``None`` when none did.
        failed_rate_per_s: Lowest rate that did not; ``None`` when all did.
        n_trials: Rates tried.
    """

    rate_per_s: float | None
    failed_rate_per_s: float | None
    n_trials: int


def poisson_arrivals_ns(
    rate_per_s: float, n_requests: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw arrival times in nanoseconds from the start, shape (n_requests,), rising."""
    gaps_ns = generator.exponential(NS_PER_S / rate_per_s, n_requests)
    return np.cumsum(gaps_ns).astype(np.int64)


def time_open_loop(
    call: Call,
    rows: Sequence[npt.NDArray[np.float32]],
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


def replay_queue_ns(
    services_ns: npt.NDArray[np.int64], arrivals_ns: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Compute latencies of a queue from known service times (Lindley's recursion).

    Args:
        services_ns: Service times; used in turn, again from the start when there are too few.
        arrivals_ns: Scheduled arrivals, rising.

    >>> replay_queue_ns(np.array([10]), np.array([0, 4, 30])).tolist()
    [10, 16, 10]
    """
    services = np.resize(services_ns, len(arrivals_ns)).tolist()
    free_ns = 0
    latencies = []
    for arrival_ns, service_ns in zip(arrivals_ns.tolist(), services, strict=True):
        free_ns = max(free_ns, arrival_ns) + service_ns
        latencies.append(free_ns - arrival_ns)
    return np.array(latencies, dtype=np.int64)


def predict_max_rate(
    services_ns: npt.NDArray[np.int64],
    *,
    limit_ms: float,
    n_requests: int,
    generator: np.random.Generator,
) -> float | None:
    """Estimate the highest rate that meets a p99 limit by replaying the queue.

    Args:
        services_ns: Service times of the closed loop.
        limit_ms: Limit of the p99.
        n_requests: Requests of one replay at least.
        generator: Draws the arrivals.

    Returns:
        The rate; ``None`` when the limit is missed without any queue.
    """
    unloaded_ns = percentile_ns(services_ns, SHARE)
    if unloaded_ns is None or unloaded_ns > limit_ms * NS_PER_MS:
        return None
    high = MAX_UTILISATION * NS_PER_S / float(services_ns.mean())
    n_arrivals = requests_of_trial(high, limit_ms=limit_ms, n_requests=n_requests)
    unit_arrivals = poisson_arrivals_ns(1.0, n_arrivals, generator)

    def meets(rate_per_s: float) -> bool:
        arrivals_ns = (unit_arrivals / rate_per_s).astype(np.int64)
        p99_ns = percentile_ns(replay_queue_ns(services_ns, arrivals_ns), SHARE)
        return p99_ns is not None and p99_ns <= limit_ms * NS_PER_MS

    if meets(high):
        return high
    low = high / 1_000
    for _ in range(N_REPLAY_STEPS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low


def search_max_rate(
    meets: Callable[[float], bool | None], *, predicted: float, n_steps: int = N_SEARCH_STEPS
) -> MaxRate:
    """Find the highest rate that meets a limit by bisection on the logarithm of the rate.

    Args:
        meets: Tries a rate; ``None`` when no time is left to try it.
        predicted: Where the replay expects it; the search goes from there downwards.
        n_steps: Rates tried at most, after the predicted one.
    """
    answer = meets(predicted)
    if answer is None:
        return MaxRate(None, None, 0)
    if answer:
        return MaxRate(predicted, None, 1)
    met: float | None = None
    low, high = predicted / SEARCH_DEPTH, predicted
    n_trials = 1
    for _ in range(n_steps):
        rate = low if met is None else math.sqrt(met * high)
        answer = meets(rate)
        if answer is None:
            break
        n_trials += 1
        if answer:
            met = rate
        else:
            low, high = rate / SEARCH_DEPTH, rate
    return MaxRate(met, high, n_trials)
