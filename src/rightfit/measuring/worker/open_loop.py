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

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.raw_rows import Input, cut_singles, load_rows, take_first
from rightfit.measuring.worker.latency import (
    P99,
    Call,
    Clock,
    calls_to_hold,
    percentile_ns,
    time_calls,
    warm_up,
)
from rightfit.measuring.worker.protocol import ServerRequest
from rightfit.measuring.worker.results import ServerResult
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S

SPIN_NS = 200_000  # sleeping overshoots by 70 µs and more: the last stretch is spun
N_ROTATING_ROWS = 1_024
N_CLOSED_LOOP = 400  # calls that predict the utilisation, as far as CLOSED_LOOP_SHARE allows
CLOSED_LOOP_SHARE = 0.05  # of the time allowed
MAX_UTILISATION = 0.98  # beyond, a queue takes longer to settle than one can wait
MAX_SETTLING_SHARE = 0.5  # of the requests


def poisson_arrivals_ns(
    rate_per_s: float, n_requests: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw arrival times in nanoseconds from the start, shape (n_requests,), rising."""
    gaps_ns = generator.exponential(NS_PER_S / rate_per_s, n_requests)
    return np.cumsum(gaps_ns).astype(np.int64)


def serve_at_rate(
    factory: Callable[..., Callable[[], Call]], request: ServerRequest
) -> ServerResult:
    """Answer requests that arrive at random, and report their p99.

    Args:
        factory: Returns what opens the model.
        request: Rows, rate and number of requests.
    """
    rows = load_rows(request.rows)
    pool = take_first(rows, min(N_ROTATING_ROWS, len(rows)))
    singles = cut_singles(pool, len(pool))
    call = factory(**request.arguments)()
    warm_up(call, singles, max_ns=int(request.warm_up_max_ms * NS_PER_MS))
    max_ns = int(CLOSED_LOOP_SHARE * request.max_s * NS_PER_S)
    closed_ns = time_calls(
        call, itertools.cycle(singles), min_calls=N_CLOSED_LOOP, min_ns=0, max_ns=max_ns
    )
    return measure_at_rate(
        lambda arrivals_ns: time_open_loop(call, singles, arrivals_ns),
        float(closed_ns.mean()),
        request,
    )


def measure_at_rate(
    serve: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]],
    mean_call_ns: float,
    request: ServerRequest,
) -> ServerResult:
    """Serve as many requests as asked, after those in which the queue is still short.

    Args:
        serve: Answers scheduled arrivals, see :func:`time_open_loop`.
        mean_call_ns: Mean time of a call in a closed loop.
        request: Rate, number of requests, time allowed and seed.
    """
    rate_per_s = request.rate_per_s
    expected = rate_per_s * mean_call_ns / NS_PER_S
    if expected > MAX_UTILISATION:
        return ServerResult(utilisation=expected, reason=_describe_overload(rate_per_s, expected))
    n_settling = math.ceil(1 / (1 - expected) ** 2)  # requests over which a queue forgets its start
    n_requests = min(request.n_requests + n_settling, int(request.max_s * rate_per_s))
    n_settling = min(n_settling, int(MAX_SETTLING_SHARE * n_requests))
    if n_requests - n_settling < (needed := calls_to_hold(P99)):
        reason = f"{needed} requests at {rate_per_s:g}/s take longer than allowed"
        return ServerResult(utilisation=expected, reason=reason)
    generator = np.random.default_rng(request.seed)
    arrivals_ns = poisson_arrivals_ns(rate_per_s, n_requests, generator)
    latencies_ns = serve(arrivals_ns)
    utilisation = rate_per_s * mean_service_ns(arrivals_ns, latencies_ns) / NS_PER_S
    if utilisation > MAX_UTILISATION:
        reason = _describe_overload(rate_per_s, utilisation)
        return ServerResult(utilisation=utilisation, reason=reason)
    p99_ns = percentile_ns(latencies_ns[n_settling:], P99)
    return ServerResult(
        p99_ms=None if p99_ns is None else p99_ns / NS_PER_MS,
        utilisation=utilisation,
        n_requests=n_requests - n_settling,
    )


def mean_service_ns(
    arrivals_ns: npt.NDArray[np.int64], latencies_ns: npt.NDArray[np.int64]
) -> float:
    """Return how long a request keeps the server busy, on average.

    Service begins with the arrival or with the answer before, whichever is later.

    >>> mean_service_ns(np.array([0, 5, 30]), np.array([10, 15, 10]))
    10.0
    """
    answered_ns = arrivals_ns + latencies_ns
    begun_ns = np.maximum(arrivals_ns, np.concatenate([arrivals_ns[:1], answered_ns[:-1]]))
    return float((answered_ns - begun_ns).mean())


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


def _describe_overload(rate_per_s: float, utilisation: float) -> str:
    mean_ms = utilisation / rate_per_s * NS_PER_S / NS_PER_MS
    return f"it can't keep up with {rate_per_s:g} requests/s: one takes {mean_ms:.3g} ms on average"
