"""The task of a measuring process that serves requests arriving at random."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import NS_PER_MS, Call, calls_to_hold, time_calls, warm_up
from rightfit.profiling.worker.open_loop import time_open_loop
from rightfit.profiling.worker.queue_replay import (
    MAX_UTILISATION,
    SHARE,
    draw_replay,
    requests_to_replay,
    settling_requests,
)
from rightfit.profiling.worker.rate_search import (
    LoadTrial,
    RateFound,
    SearchAim,
    Serve,
    search_max_rate,
    serve_trial,
)
from rightfit.profiling.worker.throughput import NS_PER_S

Json = dict[str, Any]

N_ROTATING_ROWS = 1_024
N_CLOSED_LOOP = 400  # calls that predict the first rate, as far as CLOSED_LOOP_SHARE allows
CLOSED_LOOP_SHARE = 0.05  # of the time allowed
FIXED_RATE_SHARE = 0.8  # of the time left, that the fixed rate may take


@dataclass(frozen=True)
class ServerRequest:
    """What to measure under load; the preset's ``server`` block.

    Args:
        n_processes: Fresh processes that share ``n_requests``.
        max_s: Seconds this process may serve.
        rate_per_s: Rate of which the p99 is measured.
        p99_limit_ms: Limit that the highest rate must meet.
        n_requests: Requests that all processes together serve at each of both rates.
        rate_error_pct: Standard error of this process' highest rate that ends the search.
        seed: Of the arrivals.
    """

    n_processes: int
    max_s: float
    rate_per_s: float
    p99_limit_ms: float
    n_requests: int
    rate_error_pct: float
    seed: int

    @property
    def n_own_requests(self) -> int:
        """Requests that this process serves at each rate."""
        return max(calls_to_hold(SHARE), math.ceil(self.n_requests / self.n_processes))

    @property
    def aim(self) -> SearchAim:
        """Aim of the search for the highest rate."""
        return SearchAim(self.p99_limit_ms, self.rate_error_pct / 100, self.n_own_requests)


@dataclass(frozen=True)
class FixedRate:
    """What was found at the fixed rate.

    Args:
        p99_ms: p99 of the queue at that rate; ``None`` when it was not measured.
        served_p99_ms: p99 of the requests that were served, without a replay.
        utilisation: Share of time the server was busy; above 1 when it could not keep up.
        n_requests: Requests behind it.
        reason: Why there is no p99.
    """

    p99_ms: float | None
    served_p99_ms: float | None
    utilisation: float
    n_requests: int
    reason: str | None


@dataclass(frozen=True)
class UnderLoad:
    """What one process found under load."""

    fixed: FixedRate
    highest: RateFound


def serve_under_load(factory: Callable[..., Callable[[], Call]], request: Json) -> Json:
    """Find the p99 at a fixed rate and the highest rate that meets a p99 limit.

    Args:
        factory: Returns what opens the model.
        request: ``arguments``, ``rows``, ``warm_up_max_ms``, and ``server``, see
            :class:`ServerRequest`.

    Returns:
        An :class:`UnderLoad` as nested dictionaries.
    """
    server = ServerRequest(**request["server"])
    rows = np.load(request["rows"], mmap_mode="r")
    singles = [np.array(rows[i : i + 1]) for i in range(min(len(rows), N_ROTATING_ROWS))]
    call = factory(**request["arguments"])()
    warm_up(call, singles, max_ns=request["warm_up_max_ms"] * NS_PER_MS)
    end_ns = time.perf_counter_ns() + server.max_s * NS_PER_S
    services_ns = time_calls(
        call,
        singles,
        min_calls=N_CLOSED_LOOP,
        min_ns=0,
        max_ns=int(CLOSED_LOOP_SHARE * server.max_s * NS_PER_S),
    )

    def serve(arrivals_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return time_open_loop(call, singles, arrivals_ns)

    def left_s() -> float:
        return (end_ns - time.perf_counter_ns()) / NS_PER_S

    return dataclasses.asdict(measure_load(serve, services_ns, server, left_s=left_s))


def measure_load(
    serve: Serve,
    services_ns: npt.NDArray[np.int64],
    server: ServerRequest,
    *,
    left_s: Callable[[], float],
) -> UnderLoad:
    """Measure the fixed rate, then search for the highest.

    Args:
        serve: Answers scheduled arrivals.
        services_ns: Calls of a closed loop.
        server: What to measure.
        left_s: Returns the seconds that are left.
    """
    generator = np.random.default_rng(server.seed)
    trial, fixed = _measure_fixed_rate(serve, services_ns, server, left_s(), generator)
    known = [] if trial is None else [trial]
    highest = search_max_rate(
        serve, services_ns, known, server.aim, left_s=left_s, generator=generator
    )
    return UnderLoad(fixed, highest)


def _measure_fixed_rate(
    serve: Serve,
    services_ns: npt.NDArray[np.int64],
    server: ServerRequest,
    left_s: float,
    generator: np.random.Generator,
) -> tuple[LoadTrial | None, FixedRate]:
    """Serve at the fixed rate; return the trial, ``None`` when there was none, and its p99."""
    rate_per_s = server.rate_per_s
    utilisation = rate_per_s * float(services_ns.mean()) / NS_PER_S
    if utilisation > MAX_UTILISATION:
        return None, _no_p99(utilisation, _too_slow(rate_per_s, utilisation))
    n_requests = server.n_own_requests + math.ceil(settling_requests(utilisation))
    n_requests = min(n_requests, int(FIXED_RATE_SHARE * left_s * rate_per_s))
    if n_requests < calls_to_hold(SHARE):
        reason = f"{calls_to_hold(SHARE)} requests at {rate_per_s:g}/s take longer than allowed"
        return None, _no_p99(utilisation, reason)
    trial = serve_trial(serve, rate_per_s, n_requests, generator)
    if trial.utilisation > MAX_UTILISATION:
        return trial, _no_p99(trial.utilisation, _too_slow(rate_per_s, trial.utilisation))
    replay = draw_replay(trial.services, requests_to_replay(trial.utilisation), generator)
    return trial, FixedRate(
        p99_ms=replay.p99_ns(rate_per_s) / NS_PER_MS,
        served_p99_ms=float(np.quantile(trial.latencies_ns, SHARE)) / NS_PER_MS,
        utilisation=trial.utilisation,
        n_requests=len(trial.services),
        reason=None,
    )


def _no_p99(utilisation: float, reason: str) -> FixedRate:
    return FixedRate(None, None, utilisation, 0, reason)


def _too_slow(rate_per_s: float, utilisation: float) -> str:
    mean_ms = utilisation / rate_per_s * NS_PER_S / NS_PER_MS
    return f"it can't keep up with {rate_per_s:g} requests/s: one takes {mean_ms:.3g} ms on average"
