"""From the rounds of a measurement to the metrics of loading and serving."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rightfit.profiling.hardware.tiers import (
    Judged,
    cheapest_fit,
    cost_per_1m_rows,
    smallest_fit,
)
from rightfit.profiling.intervals import (
    Interval,
    ProcessSpread,
    estimate_median,
    estimate_pooled,
    is_drifting,
)
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import per_process
from rightfit.profiling.metrics import (
    LATENCY_COLUMNS,
    MEASURED_SOURCES,
    METRICS_BY_COLUMN,
    columns_from,
)
from rightfit.profiling.profile import BatchTried, LimitTried, MeasuredHow
from rightfit.profiling.profiles.load_metrics import set_under_load
from rightfit.profiling.profiles.process_figures import ProcessFigures, collect_figures
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.latency import (
    MEDIAN,
    calls_to_hold,
    min_calls_to_report,
    percentile_ns,
)
from rightfit.profiling.worker.units import MS_PER_S, NS_PER_MS

MEDIAN_COLUMN = LATENCY_COLUMNS[MEDIAN]
# The empty worker's memory, which all processes of a measurement share, falls by 0.1 to 0.3 % over
# 80 forks (benchmarks/recorded/processes.parquet).
SHARED_MEMORY_ERROR_PCT = 0.2


@dataclass(frozen=True)
class Estimates:
    """Makes the intervals of a measurement.

    Args:
        figures: One figure per process, by column.
        shared: What its processes may share.
        spreads: By how much processes of the measurements beside it differ, by column.
    """

    figures: Mapping[str, Sequence[float]]
    shared: SharedError
    spreads: Mapping[str, ProcessSpread]

    def of(self, column: str, *, times: float = 1.0) -> Interval:
        """Return the interval of a metric, its figures multiplied."""
        values = [times * value for value in self.figures[column]]
        return estimate_median(values, spread=self.spreads.get(column))

    def of_time(self, column: str, *, is_median: bool = False) -> Interval:
        """Return the interval of a time or a rate."""
        return self.of(column).widened(self.shared.reach_pct(is_median=is_median))


def set_serving_metrics(
    profile: ProfileBuilder,
    state: MeasurementState,
    settings: MeasuringSettings,
    *,
    shared: SharedError,
    n_threads: int,
    is_final: bool,
    spreads: Mapping[str, ProcessSpread] | None = None,
) -> None:
    """Set the metrics that measuring processes found.

    Args:
        profile: To fill.
        state: The measurement.
        settings: The preset it was measured with.
        shared: What its processes may share.
        n_threads: Cores it was given.
        is_final: Whether the metrics are to be published. During measuring, a percentile
            is read from fewer calls than may be published.
        spreads: By how much processes of the measurements beside it differ, by column: what few
            processes cannot tell themselves. Those of a disturbed measurement may differ more.
    """
    if state.error is not None:
        profile.miss(columns_from(*MEASURED_SOURCES), f"it does not run: {state.error}")
        return
    found = collect_figures(state, settings)
    estimates = Estimates(
        found.by_column,
        shared.over(len(found.rounds)),
        {} if found.is_disturbed or spreads is None else spreads,
    )
    _set_latency(profile, found.rounds, estimates, is_final=is_final)
    for column in ("load_time_ms", "throughput_rows_per_s"):
        profile.set_interval(column, estimates.of_time(column))
    profile.set_interval("cpu_cores", estimates.of("cpu_cores"))
    profile.set_interval("cpu_util_pct", estimates.of("cpu_cores", times=100 / n_threads))
    for column in ("peak_memory_mib", "peak_memory_one_row_mib"):
        profile.set_interval(column, estimates.of(column).widened(SHARED_MEMORY_ERROR_PCT))
    profile.set_interval("model_memory_mib", estimates.of("model_memory_mib"))
    if state.server:
        set_under_load(profile, state.server, settings, shared)
    else:
        profile.miss(columns_from("load_test"), _why_not_served(state, settings))
    _set_device(profile, found, estimates)
    profile.best_batch_size = found.batch_size
    profile.n_latency_samples = sum(r.latency.n_calls for r in found.rounds)
    profile.disturbed = found.is_disturbed
    if profile.how is not None:
        profile.how = _describe(profile.how, state, found.rounds, settings, estimates.shared)


def set_tiers(
    profile: ProfileBuilder,
    judged: Sequence[Judged],
    *,
    low: Sequence[Judged] = (),
    high: Sequence[Judged] = (),
) -> str | None:
    """Set the smallest tier a profile runs on and the cost on the cheapest.

    Args:
        profile: With its serving metrics set.
        judged: The profile on every tier.
        low: The same at the lower end of its peak memory; none where that is not known.
        high: At the upper end.

    Returns:
        Name of the smallest tier, ``None`` when it runs on none.
    """
    smallest, cheapest = smallest_fit(judged), cheapest_fit(judged)
    rows_per_s = profile.values["throughput_rows_per_s"]
    if smallest is None or cheapest is None or rows_per_s is None:
        reasons = "; ".join(f"{j.tier.name}: {j.reason}" for j in judged)
        reason = f"it fits no tier ({reasons})" if judged else profile.reasons["peak_memory_mib"]
        profile.miss(columns_from("tiers"), reason)
        return None
    least, most = (None if fit is None else fit.position for fit in map(smallest_fit, (low, high)))
    profile.set_interval(
        "min_hardware_tier", Interval(smallest.position, least, most, is_distribution_free=True)
    )
    ends = (profile.values[f"throughput_rows_per_s_{end}"] for end in ("high", "low"))
    cheapest_cost, dearest_cost = (
        cost_per_1m_rows(cheapest.tier, end) if end else None for end in ends
    )
    cost = cost_per_1m_rows(cheapest.tier, rows_per_s)
    profile.set_interval(
        "cost_usd_per_1m_rows",
        Interval(cost, cheapest_cost, dearest_cost, is_distribution_free=True),
    )
    if profile.how is not None:
        profile.how = replace(profile.how, tier=smallest.how)
    return smallest.tier.name


def _set_latency(
    profile: ProfileBuilder,
    rounds: Sequence[FinishedRound],
    estimates: Estimates,
    *,
    is_final: bool,
) -> None:
    n_calls = sum(r.latency.n_calls for r in rounds)
    for share, column in LATENCY_COLUMNS.items():
        needed = min_calls_to_report(share) if is_final else calls_to_hold(share)
        if n_calls < needed:
            profile.miss([column], f"needs {needed} calls; the time allowed for {n_calls}")
        elif column in estimates.figures:
            is_median = share == MEDIAN
            profile.set_interval(column, estimates.of_time(column, is_median=is_median))
        else:
            interval = _pool_calls(rounds, share, estimates.spreads.get(MEDIAN_COLUMN))
            profile.set_interval(column, interval.widened(estimates.shared.reach_pct()))


def _pool_calls(
    rounds: Sequence[FinishedRound], share: float, spread: ProcessSpread | None
) -> Interval:
    """Read a percentile in ms from the calls of all processes, when some have too few alone."""
    calls_ns = np.array([call for r in rounds for call in r.kept_ns or ()])
    pooled_ns = percentile_ns(calls_ns, share)
    if pooled_ns is None:  # a process that keeps no calls has enough of them
        return estimate_median([value / NS_PER_MS for value in per_process(rounds, share)])
    medians_ms = [value / NS_PER_MS for value in per_process(rounds, MEDIAN)]
    return estimate_pooled(
        pooled_ns / NS_PER_MS, calls_ns / NS_PER_MS, share, medians_ms, spread=spread
    )


def _set_device(profile: ProfileBuilder, found: ProcessFigures, estimates: Estimates) -> None:
    reasons = found.rounds[0].device_reasons
    for column in ("gpu_util_pct", "gpu_memory_mib", "energy_j_per_1k_rows"):
        if found.by_column[column]:
            profile.set_interval(column, estimates.of(column))
        else:
            otherwise = METRICS_BY_COLUMN[column].null_reason
            asked = "energy_j" if column == "energy_j_per_1k_rows" else column
            profile.miss([column], reasons.get(asked, otherwise))


def _why_not_served(state: MeasurementState, settings: MeasuringSettings) -> str:
    if settings.server.n_processes and state.settled == "screened":
        return "no application could choose it, so it was not measured under load"
    return METRICS_BY_COLUMN["max_rate_per_s"].null_reason


def _describe(
    how: MeasuredHow,
    state: MeasurementState,
    rounds: Sequence[FinishedRound],
    settings: MeasuringSettings,
    shared: SharedError,
) -> MeasuredHow:
    latencies = [r.latency for r in rounds]
    tried = max((r.batches for r in rounds), key=len)
    full_ns = min(r.probe_full_ns for r in rounds)
    return replace(
        how,
        n_processes=len(rounds),
        n_retries=state.n_retries,
        settled=state.settled,
        is_drifting=shared.is_drifting or is_drifting(per_process(rounds, 0.5)),
        is_warm=all(r.warm_up.is_steady for r in rounds),
        n_warm_up_calls=max(r.warm_up.n_calls for r in rounds),
        first_call_ms=statistics.median(r.load.first_call_ms for r in rounds),
        overhead_ns=statistics.median(r.overhead_ns for r in rounds),
        cores_load=statistics.median(r.load.cores for r in rounds),
        cores_single_stream=statistics.median(latency.cores for latency in latencies),
        delay_share=_highest([latency.delay_share for latency in latencies]),
        slow_share=max(latency.slow_share for latency in latencies),
        slowdown=max(latency.probe_ns for latency in latencies) / full_ns,
        busy_cores=_highest([r.busy_cores for r in rounds]),
        steal_share=_highest([r.steal_share for r in rounds]),
        batches=tuple(
            BatchTried(**{one.name: getattr(batch, one.name) for one in fields(BatchTried)})
            for batch in tried
        ),
        limits=tuple(LimitTried(float(key), **vars(trial)) for key, trial in state.limits.items()),
        interruptions=tuple(sorted({r.interruption for r in state.rounds if r.interruption})),
        measured_s=sum(r.total_ms for r in state.rounds) / MS_PER_S,
        n_visits=settings.n_visits,
        shared_error_pct=shared.in_turns_pct,
        n_turns_seen=shared.n_turns,
    )


def _highest(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)
