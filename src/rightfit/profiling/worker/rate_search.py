"""The search for the highest arrival rate whose p99 stays within a limit.

Service times depend on the load: a request that finds the process idle pays for cold caches. So
each trial serves Poisson arrivals at the rate that the trials before predict (stochastic
approximation: Robbins and Monro, The Annals of Mathematical Statistics 22, 1951), and the result
comes from trials near it alone. A trial is never passed or failed: what it adds is service times,
of which the highest rate is found by replaying the queue, see
:mod:`rightfit.profiling.worker.queue_replay`. The search ends when these are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rightfit.profiling.worker.highest_rate import (
    ROUGH_TOLERANCE,
    TOLERANCE,
    expected_utilisation,
    find_max_rate,
    rate_error,
)
from rightfit.profiling.worker.latency import calls_to_hold
from rightfit.profiling.worker.open_loop import poisson_arrivals_ns
from rightfit.profiling.worker.queue_replay import (
    MAX_UTILISATION,
    N_ROUGH,
    SHARE,
    draw_replay,
    requests_to_replay,
    settling_requests,
)
from rightfit.profiling.worker.results import RateFound
from rightfit.profiling.worker.service_times import (
    Nanoseconds,
    ServiceTimes,
    pool_services,
    read_services,
    without_idling,
)
from rightfit.profiling.worker.units import NS_PER_S

Serve = Callable[[Nanoseconds], Nanoseconds]  # latencies of scheduled arrivals

TRIAL_SETTLINGS = 3  # settling times of its queue that a trial lasts at least
MAX_START_SHARE = 0.05  # of a trial, discarded as start-up; services settle before the queue does
MAX_TIME_SHARE = 0.5  # of the time left, that a trial may take
NEAR = 1.15  # factor between the rates of trials whose service times are pooled
MAX_TRIALS = 30


@dataclass(frozen=True, eq=False)
class LoadTrial:
    """What was served at one rate.

    Args:
        rate_per_s: Rate of the arrivals.
        services: Service time of each request, the start-up discarded.
        latencies_ns: Time from each one's scheduled arrival to its answer.
    """

    rate_per_s: float
    services: ServiceTimes
    latencies_ns: Nanoseconds

    @property
    def utilisation(self) -> float:
        """Share of the time the server was busy, above 1 when it could not keep up."""
        return self.rate_per_s * float(self.services.measured_ns.mean()) / NS_PER_S


@dataclass(frozen=True)
class SearchAim:
    """What a search is for and when it ends.

    Args:
        limit_ms: Limit of the p99.
        error: Relative standard error that is small enough.
        n_services: Service times asked for, however precise fewer would be.
    """

    limit_ms: float
    error: float
    n_services: int


def serve_trial(
    serve: Serve, rate_per_s: float, n_requests: int, generator: np.random.Generator
) -> LoadTrial:
    """Serve Poisson arrivals and discard the start-up, in which the queue is still short.

    Args:
        serve: Answers scheduled arrivals.
        rate_per_s: Rate of arrivals.
        n_requests: Requests to serve.
        generator: Draws the arrivals.
    """
    arrivals_ns = poisson_arrivals_ns(rate_per_s, n_requests, generator)
    latencies_ns = serve(arrivals_ns)
    services = read_services(arrivals_ns, latencies_ns)
    utilisation = rate_per_s * float(services.measured_ns.mean()) / NS_PER_S
    n_start = int(min(settling_requests(utilisation), MAX_START_SHARE * n_requests))
    settled = ServiceTimes(services.measured_ns[n_start:], services.found_idle[n_start:])
    return LoadTrial(rate_per_s, settled, latencies_ns[n_start:])


def search_max_rate(
    serve: Serve,
    closed_ns: Nanoseconds,
    known: Sequence[LoadTrial],
    aim: SearchAim,
    *,
    left_s: Callable[[], float],
    generator: np.random.Generator,
) -> RateFound:
    """Find the highest rate whose p99 meets a limit.

    Args:
        serve: Answers scheduled arrivals.
        closed_ns: Service times of a closed loop; predict the first rate, with the trials known.
        known: Trials made before, at other rates.
        aim: What to find and how precisely.
        left_s: Returns the seconds that are left for trials.
        generator: Draws arrivals and replays.
    """
    trials = list(known)
    services = pool_services([without_idling(closed_ns), *(trial.services for trial in trials)])
    while len(trials) < MAX_TRIALS:
        rough = draw_replay(services, N_ROUGH, generator)
        rate_per_s = find_max_rate(rough, aim.limit_ms, tolerance=ROUGH_TOLERANCE)
        if rate_per_s is None:
            break
        near = pool_near(trials, rate_per_s)
        n_requests = requests_of_trial(rate_per_s, near, services, aim, left_s=left_s())
        if n_requests == 0:
            break
        trials.append(serve_trial(serve, rate_per_s, n_requests, generator))
        services = pool_near(trials, rate_per_s, n_least=aim.n_services)
    return conclude(trials, services, aim, generator)


def conclude(
    trials: Sequence[LoadTrial],
    services: ServiceTimes,
    aim: SearchAim,
    generator: np.random.Generator,
) -> RateFound:
    """Find the rate from the service times of the trials near it.

    Args:
        trials: Trials made.
        services: Their service times near the last rate; all known ones if none is near.
        aim: What to find.
        generator: Draws the replay.
    """
    n_requests = requests_to_replay(expected_utilisation(services, aim.limit_ms))
    replay = draw_replay(services, n_requests, generator)
    rate_per_s = find_max_rate(replay, aim.limit_ms)
    if rate_per_s is None:
        reason = f"the p99 exceeds {aim.limit_ms:g} ms without any load"
        return RateFound(n_trials=len(trials), reason=reason)
    if not trials:
        n_least = calls_to_hold(SHARE)
        reason = f"{n_least} requests at {rate_per_s:.3g}/s take longer than allowed in a process"
        return RateFound(n_trials=len(trials), reason=reason)
    return RateFound(
        rate_per_s=rate_per_s,
        utilisation=replay.busy_share(rate_per_s),
        error=rate_error(services, aim.limit_ms),
        is_capped=replay.utilisation(rate_per_s) > MAX_UTILISATION * (1 - TOLERANCE),
        n_services=len(services),
        n_trials=len(trials),
    )


def pool_near(trials: Sequence[LoadTrial], rate_per_s: float, *, n_least: int = 0) -> ServiceTimes:
    """Return the service times of the trials near a rate, in order of measuring.

    Args:
        trials: Trials made.
        rate_per_s: The rate.
        n_least: Service times to return if there are as many: from the nearest of the other trials.
    """
    by_distance = sorted(trials, key=lambda trial: abs(math.log(trial.rate_per_s / rate_per_s)))
    pooled: list[LoadTrial] = []
    for trial in by_distance:
        is_near = 1 / NEAR <= trial.rate_per_s / rate_per_s <= NEAR
        if is_near or sum(len(one.services) for one in pooled) < n_least:
            pooled.append(trial)
    return pool_services([trial.services for trial in trials if trial in pooled])


def requests_of_trial(
    rate_per_s: float,
    near: ServiceTimes,
    services: ServiceTimes,
    aim: SearchAim,
    *,
    left_s: float,
) -> int:
    """Return how many requests the next trial needs; 0 when no trial is needed or possible.

    A trial lasts three settling times of its queue, which grow like ``1 / (1 - utilisation)**2``,
    or doubles what is known near the rate, as far as the aim asks for more and time allows.

    Args:
        rate_per_s: Rate of its arrivals.
        near: Service times known near the rate.
        services: Service times that predicted the rate.
        aim: What to find.
        left_s: Seconds left.
    """
    mean_s = float(services.measured_ns.mean()) / NS_PER_S
    n_missing = aim.n_services - len(near)
    error = rate_error(near, aim.limit_ms)
    if error > aim.error and math.isfinite(error):
        n_needed = math.ceil(len(near) * (error / aim.error) ** 2)
        n_missing = max(n_missing, n_needed - len(near))
    if n_missing <= 0:
        return 0
    n_least = calls_to_hold(SHARE)
    n_queue = math.ceil(TRIAL_SETTLINGS * settling_requests(rate_per_s * mean_s))
    n_wanted = max(n_least, n_queue, min(n_missing, len(near)))
    n_possible = int(left_s * min(rate_per_s, MAX_UTILISATION / mean_s))
    n_requests = min(n_wanted, max(n_least, int(MAX_TIME_SHARE * n_possible)))
    return n_requests if n_requests <= n_possible else 0
