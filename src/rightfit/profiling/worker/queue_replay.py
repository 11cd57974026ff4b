"""What a queue makes of measured service times: its latencies at a rate.

Requests that wait in one queue depend on each other over ``1 / (1 - utilisation)**2`` services, so
a p99 read from the requests that a trial has time for is mostly luck. The luck is that of the
arrivals, and arrivals are drawn, not measured. So the service times are measured under load, and
the queue is replayed with far more arrivals than could be waited for (Lindley's recursion). Gaps
and services are drawn once and a rate only stretches the gaps: the share of late requests then
rises with the rate, without noise between two rates.

A request that finds the server idle takes longer. Such a queue is one whose server needs a time to
start: its latencies are those of the warm queue plus, independently, either the whole starting time
or a part of it, uniform from none to all (Levy and Kleinrock, Operations Research 34, 1986).

Service times are drawn in blocks (moving-block bootstrap: Künsch, The Annals of Statistics 17,
1989), so that calls slowed together stay together.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from rightfit.profiling.worker.service_times import ServiceTimes, Times
from rightfit.profiling.worker.units import NS_PER_S

SHARE = 0.99
MAX_UTILISATION = 0.98  # beyond, a queue takes longer to settle than one can wait
START_SETTLINGS = 5  # settling times of a queue that are discarded
N_ROUGH = 2**15  # replayed requests that place the next trial
N_LEAST = 2**18  # replayed requests behind a result
N_MOST = 2**20
N_PER_SETTLING = 2**15


def settling_requests(utilisation: float) -> float:
    """Return how many requests it takes a queue to forget its state.

    Args:
        utilisation: Arrival rate × mean service time; above 0.98 it counts as 0.98.

    >>> settling_requests(0.9)
    100.0
    """
    return round(1 / (1 - min(utilisation, MAX_UTILISATION)) ** 2, 9)


def requests_to_replay(utilisation: float) -> int:
    """Return how many requests a result is replayed with.

    Late requests come in clusters as long as the queue takes to settle. With these, the highest
    rate has a noise of 1.5 % at most, and the logarithm's bias is below 0.1 %.

    >>> requests_to_replay(0.5), requests_to_replay(0.98)
    (262144, 1048576)
    """
    return min(N_MOST, max(N_LEAST, int(N_PER_SETTLING * settling_requests(utilisation))))


@dataclass(frozen=True)
class QueueReplay:
    """A queue with one server, first come, first served, whose requests are drawn.

    Args:
        services_ns: Service time of each request that waited, shape (n,).
        unit_arrivals: Arrival of each request in units of the mean gap, shape (n,), rising.
        cold_ns: What a request takes longer that finds the server idle.
        start_shares: Uniform numbers that place each request in a start of the server, shape (n,).
    """

    services_ns: Times
    unit_arrivals: Times
    cold_ns: float
    start_shares: Times

    @functools.cached_property
    def work_ns(self) -> Times:
        """Work that has arrived with each request and before, shape (n,)."""
        return np.cumsum(self.services_ns)

    @property
    def full_rate_per_s(self) -> float:
        """Rate at which the server is never idle."""
        return NS_PER_S * len(self.work_ns) / float(self.work_ns[-1])

    def utilisation(self, rate_per_s: float) -> float:
        """Return the share of time that serving takes at a rate, starts of the server aside."""
        return rate_per_s / self.full_rate_per_s

    def busy_share(self, rate_per_s: float) -> float:
        """Return the share of time the server is busy at a rate, its starts included."""
        utilisation = self.utilisation(rate_per_s)
        starting = rate_per_s / NS_PER_S * self.cold_ns
        return utilisation + (1 - utilisation) * starting / (1 + starting)

    def latencies_ns(self, rate_per_s: float) -> Times:
        """Return the time from arrival to answer of each request, the start-up discarded.

        This is Lindley's recursion written as a running maximum: a request is answered when the
        work since the busy period's first arrival is done.
        """
        ahead_ns = self.unit_arrivals * (NS_PER_S / rate_per_s) - self.work_ns
        begun_ns = np.maximum.accumulate(ahead_ns + self.services_ns)
        latencies_ns = begun_ns - ahead_ns
        if self.cold_ns > 0:
            latencies_ns += self._starts_ns(rate_per_s)
        n_start = int(START_SETTLINGS * settling_requests(self.utilisation(rate_per_s)))
        return latencies_ns[min(n_start, len(ahead_ns) // 2) :]

    def _starts_ns(self, rate_per_s: float) -> Times:
        """Return what starts of the server add to each latency."""
        starting = rate_per_s / NS_PER_S * self.cold_ns
        whole = 1 / (1 + starting)
        part = (self.start_shares - whole) / (1 - whole)
        return np.where(self.start_shares < whole, 1.0, part) * self.cold_ns

    def p99_ns(self, rate_per_s: float) -> float:
        """Return the p99 of the latencies at a rate."""
        return float(np.quantile(self.latencies_ns(rate_per_s), SHARE))

    def late_share(self, rate_per_s: float, limit_ns: float) -> float:
        """Return the share of requests that are answered later than a limit."""
        return float((self.latencies_ns(rate_per_s) > limit_ns).mean())


def draw_replay(
    services: ServiceTimes, n_requests: int, generator: np.random.Generator
) -> QueueReplay:
    """Draw a queue's requests: Poisson arrivals, service times in blocks of those measured.

    Args:
        services: Measured service times.
        n_requests: Requests to replay.
        generator: Draws both.
    """
    n_services = len(services)
    block = max(1, round(n_services ** (1 / 3)))
    starts = generator.integers(0, n_services, math.ceil(n_requests / block))
    drawn = (starts[:, None] + np.arange(block)).ravel()[:n_requests] % n_services
    return QueueReplay(
        services.warm_ns[drawn],
        np.cumsum(generator.standard_exponential(n_requests)),
        services.cold_ns,
        generator.random(n_requests) if services.cold_ns > 0 else np.empty(0),
    )
