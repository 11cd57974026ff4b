"""How long requests keep a server busy, and how much longer when they find it idle.

A request that finds the server idle pays for cold caches and for waking up; one that waited in the
queue does not. Both are measured in the same trial, so they can be told apart: a queue at another
rate has another share of idle moments.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Nanoseconds = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]

MIN_OF_EACH = 10  # requests that found the server idle, and that waited, to compare them
MIN_STANDARD_ERRORS = 3  # below, a difference is taken for chance


@dataclass(frozen=True, eq=False)
class ServiceTimes:
    """Service times in the order of serving.

    Args:
        measured_ns: Time each request kept the server busy, shape (n,).
        found_idle: Whether each request found the server idle, shape (n,).
    """

    measured_ns: Nanoseconds
    found_idle: Flags

    def __len__(self) -> int:
        return len(self.measured_ns)

    @functools.cached_property
    def cold_ns(self) -> float:
        """What a request takes longer when it finds the server idle; 0 when that may be chance.

        The difference of the two means, if it exceeds three of its standard errors (Welch,
        Biometrika 34, 1947).
        """
        idle_ns, waited_ns = self.measured_ns[self.found_idle], self.measured_ns[~self.found_idle]
        if min(len(idle_ns), len(waited_ns)) < MIN_OF_EACH:
            return 0.0
        longer_ns = float(idle_ns.mean() - waited_ns.mean())
        error_ns = math.sqrt(
            idle_ns.var(ddof=1) / len(idle_ns) + waited_ns.var(ddof=1) / len(waited_ns)
        )
        return longer_ns if longer_ns > MIN_STANDARD_ERRORS * error_ns else 0.0

    @functools.cached_property
    def warm_ns(self) -> Times:
        """Service times as if every request had waited, shape (n,)."""
        warm_ns: Times = self.measured_ns - self.cold_ns * self.found_idle
        return np.clip(warm_ns, self.measured_ns.min(), None)


def read_services(arrivals_ns: Nanoseconds, latencies_ns: Nanoseconds) -> ServiceTimes:
    """Return how long each request kept the server busy.

    Service begins with the arrival or with the answer before, whichever is later.

    Args:
        arrivals_ns: Scheduled arrivals, rising.
        latencies_ns: Time from each one's arrival to its answer.

    >>> services = read_services(np.array([0, 5, 30]), np.array([10, 15, 10]))
    >>> services.measured_ns.tolist(), services.found_idle.tolist()
    ([10, 10, 10], [True, False, True])
    """
    answered_ns = arrivals_ns + latencies_ns
    before_ns = np.concatenate([arrivals_ns[:1], answered_ns[:-1]])
    found_idle = before_ns <= arrivals_ns
    return ServiceTimes(answered_ns - np.maximum(arrivals_ns, before_ns), found_idle)


def without_idling(measured_ns: Nanoseconds) -> ServiceTimes:
    """Return the service times of a closed loop, where no request finds the server idle."""
    return ServiceTimes(measured_ns, np.zeros(len(measured_ns), dtype=np.bool_))


def pool_services(parts: Sequence[ServiceTimes]) -> ServiceTimes:
    """Join service times in their order; none when there are no parts."""
    return ServiceTimes(
        np.concatenate([np.empty(0, dtype=np.int64), *(part.measured_ns for part in parts)]),
        np.concatenate([np.empty(0, dtype=np.bool_), *(part.found_idle for part in parts)]),
    )
