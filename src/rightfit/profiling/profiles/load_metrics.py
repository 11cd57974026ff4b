"""From the processes that served random arrivals to the metrics of the ``server`` scenario."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from rightfit.profiling.intervals import median_interval
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.profiles.profile import Profile
from rightfit.profiling.worker.latency import min_calls_to_report
from rightfit.profiling.worker.process import Json
from rightfit.profiling.worker.queue_replay import MAX_UTILISATION, SHARE

P99 = "latency_under_load_p99_ms"
MAX_RATE = "max_rate_per_s"
SERVER_COLUMNS = (P99, MAX_RATE)


def set_under_load(profile: Profile, served: Sequence[Json], settings: MeasuringSettings) -> None:
    """Set the metrics of the server scenario, and at which load they were measured.

    Args:
        profile: To fill.
        served: What each process found, at least one; see
            :class:`rightfit.profiling.worker.under_load.UnderLoad`.
        settings: The preset it was measured with.
    """
    fixed = [one["fixed"] for one in served]
    highest = [one["highest"] for one in served]
    _set_p99(profile, fixed, settings)
    _set_max_rate(profile, highest, settings)
    profile.how["server"] = {
        "rate_per_s": settings.server.rate_per_s,
        "utilisation": statistics.median(one["utilisation"] for one in fixed),
        "p99_limit_ms": settings.server.p99_limit_ms,
        "processes": list(served),
    }


def _set_p99(profile: Profile, fixed: Sequence[Json], settings: MeasuringSettings) -> None:
    reasons = [one["reason"] for one in fixed if one["reason"] is not None]
    n_requests, n_needed = sum(one["n_requests"] for one in fixed), min_calls_to_report(SHARE)
    if reasons:
        profile.miss([P99], reasons[0])
    elif n_requests < n_needed:
        profile.miss([P99], f"needs {n_needed} requests; the time allowed for {n_requests}")
    else:
        interval = median_interval([one["p99_ms"] for one in fixed])
        profile.set_interval(P99, interval.widened(settings.shared_error_pct))


def _set_max_rate(profile: Profile, highest: Sequence[Json], settings: MeasuringSettings) -> None:
    reasons = [one["reason"] for one in highest if one["reason"] is not None]
    if reasons:
        profile.miss([MAX_RATE], reasons[0])
        return
    interval = median_interval([one["rate_per_s"] for one in highest])
    if interval.high is not None and any(one["is_capped"] for one in highest):
        # The search ends at this utilisation; the highest rate lies between it and the full one.
        interval = replace(interval, high=interval.high / MAX_UTILISATION)
    profile.set_interval(MAX_RATE, interval.widened(settings.shared_error_pct))
