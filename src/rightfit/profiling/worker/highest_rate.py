"""The highest rate at which a replayed queue meets a limit, and how sure its services make it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rightfit.profiling.worker.queue_replay import MAX_UTILISATION, SHARE, QueueReplay
from rightfit.profiling.worker.service_times import ServiceTimes, Times
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

MIN_UTILISATION = 0.001
TOLERANCE = 0.002  # of a result
ROUGH_TOLERANCE = 0.01  # of the rate of a trial
FIRST_STEP = 0.95  # the approximate rate is up to a tenth too high
STEP_UP = 1.12
STEP_DOWN = 0.8
MAX_STEPS = 40
N_BATCHES = 20
LATE_TAIL = -math.log(1 - SHARE)


def find_max_rate(
    replay: QueueReplay, limit_ms: float, *, tolerance: float = TOLERANCE
) -> float | None:
    """Find the highest rate at which 99 % of the requests are answered within a limit.

    The odds of being late are fitted by a logistic curve over the logarithm of the rate (Cox,
    Journal of the Royal Statistical Society B 20, 1958), through the two replayed rates that
    enclose 1 %, until these lie together. The tail of a queue is exponential, so the curve is
    almost right at once.

    Args:
        replay: The queue.
        limit_ms: Limit of the p99.
        tolerance: Share of the rate to which the replay is solved.

    Returns:
        The rate, at most that of a utilisation of 0.98; ``None`` when the limit is missed without
        any queue.
    """
    limit_ns = limit_ms * NS_PER_MS
    highest_per_s = MAX_UTILISATION * replay.full_rate_per_s
    guess_per_s = min(approximate_rate(replay.services_ns, limit_ns), highest_per_s)
    low = high = Point.at(FIRST_STEP * guess_per_s, replay, limit_ns)
    while high.log_odds <= 0:
        if high.rate_per_s >= highest_per_s:
            return highest_per_s
        rate_per_s = min(STEP_UP * high.rate_per_s, highest_per_s)
        low, high = high, Point.at(rate_per_s, replay, limit_ns)
    while low.log_odds > 0:
        if low.rate_per_s < MIN_UTILISATION * highest_per_s:
            return None
        high, low = low, Point.at(STEP_DOWN * low.rate_per_s, replay, limit_ns)
    return _close_in(low, high, replay, limit_ns, tolerance)


@dataclass(frozen=True)
class Point:
    """The odds of being late at a rate.

    Args:
        rate_per_s: The rate.
        log_odds: Logarithm of the odds of being late, less that of 1 : 99.
    """

    rate_per_s: float
    log_odds: float

    @classmethod
    def at(cls, rate_per_s: float, replay: QueueReplay, limit_ns: float) -> Point:
        """Replay a rate."""
        n = len(replay.services_ns)
        share = (n * replay.late_share(rate_per_s, limit_ns) + 0.5) / (n + 1)
        return cls(rate_per_s, math.log(share / (1 - share)) - math.log((1 - SHARE) / SHARE))


def _close_in(
    low: Point, high: Point, replay: QueueReplay, limit_ns: float, tolerance: float
) -> float:
    for step in range(MAX_STEPS):
        width = math.log(high.rate_per_s / low.rate_per_s)
        share = -low.log_odds / (high.log_odds - low.log_odds)
        if width < tolerance:
            break
        # Every third step halves the enclosure: a bent curve would move only one end.
        share = 0.5 if step % 3 == 2 else min(max(share, 0.05), 0.95)
        middle = Point.at(low.rate_per_s * math.exp(share * width), replay, limit_ns)
        if middle.log_odds > 0:
            high = middle
        else:
            low = middle
    return low.rate_per_s * math.exp(share * width)


def approximate_rate(services_ns: Times, limit_ns: float) -> float:
    """Estimate the highest rate from the exponential decay of a queue's tail.

    The share of requests that wait longer than ``x`` falls like ``exp(-theta * x)``, where ``rate *
    (E[exp(theta * S)] - 1) = theta`` (Lundberg's equation: S. Asmussen, Applied Probability and
    Queues, 2003, chapter XIII). It is 1 % at the limit for ``theta = log(100) / limit``.

    >>> round(approximate_rate(np.full(9, 1e6), 50e6))
    955
    """
    return NS_PER_S / float(_taken_ns(services_ns, limit_ns).mean())


def rate_error(services: ServiceTimes, limit_ms: float) -> float:
    """Estimate the relative standard error of a highest rate found from service times.

    It is that of the approximate rate, by batch means (20 batches), so that services slowed
    together count as they should; at least that of independent services, because twenty batches
    can seem alike by chance.

    Args:
        services: Measured service times.
        limit_ms: Limit of the p99.

    Returns:
        The standard error as a share; infinite for fewer services than batches.
    """
    if len(services) < N_BATCHES:
        return math.inf
    taken_ns = _taken_ns(services.warm_ns, limit_ms * NS_PER_MS)
    means_ns = np.array([batch.mean() for batch in np.array_split(taken_ns, N_BATCHES)])
    by_batches_ns = float(means_ns.std(ddof=1)) / math.sqrt(N_BATCHES)
    independent_ns = float(taken_ns.std(ddof=1)) / math.sqrt(len(taken_ns))
    return max(by_batches_ns, independent_ns) / float(taken_ns.mean())


def expected_utilisation(services: ServiceTimes, limit_ms: float) -> float:
    """Estimate the utilisation at the highest rate, without a replay."""
    rate_per_s = approximate_rate(services.warm_ns, limit_ms * NS_PER_MS)
    return rate_per_s * float(services.warm_ns.mean()) / NS_PER_S


def _taken_ns(services_ns: Times, limit_ns: float) -> Times:
    """Return what each service takes of the time between arrivals at the highest rate."""
    theta_per_ns = LATE_TAIL / limit_ns
    capped_ns = np.minimum(services_ns, limit_ns)  # what is late anyway can't be later
    return np.expm1(theta_per_ns * capped_ns) / theta_per_ns
