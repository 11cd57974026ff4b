"""The task of a measuring process that serves requests arriving at random."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rightfit.profiling.worker.latency import Call, calls_to_hold, time_calls, warm_up
from rightfit.profiling.worker.messages import ServerRequest
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
    SearchAim,
    Serve,
    search_max_rate,
    serve_trial,
)
from rightfit.profiling.worker.results import FixedRate, ServerResult
from rightfit.profiling.worker.service_times import Nanoseconds
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S
from rightfit.request_path.raw_rows import cut_singles, load_rows, take_first

N_ROTATING_ROWS = 1_024
N_CLOSED_LOOP = 400  # calls that predict the first rate, as far as CLOSED_LOOP_SHARE allows
CLOSED_LOOP_SHARE = 0.05  # of the time allowed
FIXED_RATE_SHARE = 0.8  # of the time left, that the fixed rate may take


@dataclass(frozen=True)
class LoadPlan:
    """What a process measures under load.

    Args:
        rate_per_s: Rate of which the p99 is measured.
        aim: Aim of the search for the highest rate.
        seed: Of the arrivals.
    """

    rate_per_s: float
    aim: SearchAim
    seed: int


def serve_under_load(
    factory: Callable[..., Callable[[], Call]], request: ServerRequest
) -> ServerResult:
    """Find the p99 at a fixed rate and the highest rate that meets a p99 limit.

    Args:
        factory: Returns what opens the model.
        request: Rows, arrivals and limits.
    """
    rows = load_rows(request.rows)
    pool = take_first(rows, min(N_ROTATING_ROWS, len(rows)))
    singles = cut_singles(pool, len(pool))
    call = factory(**request.arguments)()
    warm_up(call, singles, max_ns=int(request.warm_up_max_ms * NS_PER_MS))
    end_ns = time.perf_counter_ns() + request.max_s * NS_PER_S
    max_ns = int(CLOSED_LOOP_SHARE * request.max_s * NS_PER_S)
    services_ns = time_calls(call, singles, min_calls=N_CLOSED_LOOP, min_ns=0, max_ns=max_ns)
    aim = SearchAim(request.p99_limit_ms, request.rate_error_pct / 100, request.n_requests)

    def serve(arrivals_ns: Nanoseconds) -> Nanoseconds:
        return time_open_loop(call, singles, arrivals_ns)

    def left_s() -> float:
        return (end_ns - time.perf_counter_ns()) / NS_PER_S

    plan = LoadPlan(request.rate_per_s, aim, request.seed)
    return measure_load(serve, services_ns, plan, left_s=left_s)


def measure_load(
    serve: Serve,
    services_ns: Nanoseconds,
    plan: LoadPlan,
    *,
    left_s: Callable[[], float],
) -> ServerResult:
    """Measure the fixed rate, then search for the highest.

    Args:
        serve: Answers scheduled arrivals.
        services_ns: Calls of a closed loop.
        plan: What to measure.
        left_s: Returns the seconds that are left.
    """
    generator = np.random.default_rng(plan.seed)
    trial, fixed = _measure_fixed_rate(serve, services_ns, plan, left_s(), generator)
    known = [] if trial is None else [trial]
    highest = search_max_rate(
        serve, services_ns, known, plan.aim, left_s=left_s, generator=generator
    )
    return ServerResult(fixed, highest)


def _measure_fixed_rate(
    serve: Serve,
    services_ns: Nanoseconds,
    plan: LoadPlan,
    left_s: float,
    generator: np.random.Generator,
) -> tuple[LoadTrial | None, FixedRate]:
    """Serve at the fixed rate; return the trial, ``None`` when there was none, and its p99."""
    rate_per_s = plan.rate_per_s
    utilisation = rate_per_s * float(services_ns.mean()) / NS_PER_S
    if utilisation > MAX_UTILISATION:
        return None, _no_p99(utilisation, _too_slow(rate_per_s, utilisation))
    n_requests = plan.aim.n_services + math.ceil(settling_requests(utilisation))
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
    )


def _no_p99(utilisation: float, reason: str) -> FixedRate:
    return FixedRate(utilisation=utilisation, reason=reason)


def _too_slow(rate_per_s: float, utilisation: float) -> str:
    mean_ms = utilisation / rate_per_s * NS_PER_S / NS_PER_MS
    return f"it can't keep up with {rate_per_s:g} requests/s: one takes {mean_ms:.3g} ms on average"
