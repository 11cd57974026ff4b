"""From the processes that served random arrivals to the metrics of the ``server`` scenario."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from rightfit.profiling.intervals import estimate_median
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.profile import LoadTried
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.latency import min_calls_to_report
from rightfit.profiling.worker.queue_replay import MAX_UTILISATION, SHARE
from rightfit.profiling.worker.results import FixedRate, RateFound, ServerResult

P99 = "latency_under_load_p99_ms"
MAX_RATE = "max_rate_per_s"


def set_under_load(
    profile: ProfileBuilder,
    served: Sequence[ServerResult],
    settings: MeasuringSettings,
    shared: SharedError,
) -> None:
    """Set the metrics of the server scenario, and at which load they were measured.

    Args:
        profile: To fill.
        served: What each process found, at least one.
        settings: The preset it was measured with.
        shared: What the processes may share; they follow each other, without turns.
    """
    shared_pct = shared.alone.reach_pct()
    _set_p99(profile, [one.fixed for one in served], shared_pct)
    _set_max_rate(profile, [one.highest for one in served], shared_pct)
    if profile.how is None:
        return
    load = LoadTried(
        rate_per_s=settings.server.rate_per_s,
        utilisation=statistics.median(one.fixed.utilisation for one in served),
        p99_limit_ms=settings.server.p99_limit_ms,
        processes=tuple(served),
    )
    profile.how = replace(profile.how, server=load)


def _set_p99(profile: ProfileBuilder, fixed: Sequence[FixedRate], shared_pct: float) -> None:
    reasons = [one.reason for one in fixed if one.reason is not None]
    n_requests, n_needed = sum(one.n_requests for one in fixed), min_calls_to_report(SHARE)
    if reasons:
        profile.miss([P99], reasons[0])
    elif n_requests < n_needed:
        profile.miss([P99], f"needs {n_needed} requests; the time allowed for {n_requests}")
    else:
        interval = estimate_median(
            [one.p99_ms for one in fixed if one.p99_ms is not None], looks_once=True
        )
        profile.set_interval(P99, interval.widened(shared_pct))


def _set_max_rate(profile: ProfileBuilder, highest: Sequence[RateFound], shared_pct: float) -> None:
    reasons = [one.reason for one in highest if one.reason is not None]
    if reasons:
        profile.miss([MAX_RATE], reasons[0])
        return
    interval = estimate_median(
        [one.rate_per_s for one in highest if one.rate_per_s is not None], looks_once=True
    )
    if interval.high is not None and any(one.is_capped for one in highest):
        # The search ends at this utilisation; the highest rate lies between it and the full one.
        interval = replace(interval, high=interval.high / MAX_UTILISATION)
    profile.set_interval(MAX_RATE, interval.widened(shared_pct))
