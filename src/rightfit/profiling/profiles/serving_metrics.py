"""From the rounds of a measurement to the metrics of loading and serving."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rightfit.profiling.hardware.tiers import (
    Judged,
    LimitTrial,
    cheapest_fit,
    cost_per_1m_rows,
    smallest_fit,
)
from rightfit.profiling.intervals import Interval, estimate_median, estimate_pooled, is_drifting
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState, Settled
from rightfit.profiling.measuring.stopping import (
    MIN_CLEAN_ROUNDS,
    is_phase_disturbed,
    per_process,
    usable_rounds,
)
from rightfit.profiling.metrics import (
    LATENCY_COLUMNS,
    MEASURED_SOURCES,
    METRICS_BY_COLUMN,
    columns_from,
)
from rightfit.profiling.profiles.load_metrics import set_under_load
from rightfit.profiling.profiles.profile import Profile
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.codec import to_plain
from rightfit.profiling.worker.latency import (
    MEDIAN,
    calls_to_hold,
    min_calls_to_report,
    percentile_ns,
)
from rightfit.profiling.worker.results import BatchPhase
from rightfit.profiling.worker.throughput import best_batch_size
from rightfit.profiling.worker.units import MS_PER_S, NS_PER_MS

ROWS_OF_ENERGY = 1_000
# The empty worker's memory, which all processes of a measurement share, falls by 0.1 to 0.3 % over
# 80 forks (benchmarks/recorded/processes.parquet).
SHARED_MEMORY_ERROR_PCT = 0.2
BATCH_FIELDS = ("batch_size", "rows_per_s", "n_calls", "cores", "peak_memory_mib")


@dataclass(frozen=True)
class MeasuredHow:
    """How a profile was measured: fields of its column ``measured_how``, over the rounds used."""

    n_processes: int
    n_retries: int  # disturbed processes that were made up for
    settled: Settled | None
    is_drifting: bool  # the medians rise or fall from process to process, or the machine drifts
    is_warm: bool  # whether every warm-up ended by itself
    n_warm_up_calls: int  # most of a process
    first_call_ms: float  # median
    overhead_ns: float  # that timing adds to a call, median
    cores_load: float
    cores_single_stream: float
    delay_share: float  # highest
    slow_share: float  # highest
    slowdown: float  # slowest look at the core's speed / full speed
    busy_cores: float  # of the whole machine, most
    steal_share: float  # most
    batches: list[dict[str, float]]  # all sizes tried
    limits: dict[str, LimitTrial]
    interruptions: list[str]  # why times of rounds were not to be trusted
    measured_s: float  # of all rounds
    n_visits: int
    shared_error_pct: float  # that the intervals of times hold
    n_turns_seen: int  # that it was estimated from; 0: it is the preset's constant


def set_serving_metrics(
    profile: Profile,
    state: MeasurementState,
    settings: MeasuringSettings,
    *,
    shared: SharedError,
    n_threads: int,
    is_final: bool,
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
    """
    if state.error is not None:
        profile.miss(columns_from(*MEASURED_SOURCES), f"it does not run: {state.error}")
        return
    rounds = usable_rounds(state.rounds, settings)
    batch_size = _best_batch(rounds)
    batches = _usable_batches(state, settings, batch_size)
    _set_latency(profile, rounds, shared, is_final=is_final)
    phases = [batch for _, batch in batches]
    _set_offline(profile, phases, shared, n_threads)
    _set_memory(profile, rounds, batch_size)
    profile.set_interval(
        "load_time_ms", _interval_of_times([r.load.load_time_ms for r in rounds], shared)
    )
    if state.server:
        set_under_load(profile, state.server, settings, shared)
    else:
        profile.miss(columns_from("load_test"), _why_not_served(state, settings))
    _set_device(profile, phases, rounds[0].device_reasons)
    profile.best_batch_size = batch_size
    profile.n_latency_samples = sum(r.latency.n_calls for r in rounds)
    used = [*((r, r.latency) for r in rounds), *batches]
    profile.disturbed = any(is_phase_disturbed(p, r, state.rounds, settings) for r, p in used)
    profile.how |= to_plain(_describe(state, rounds, settings, shared))


def set_tiers(
    profile: Profile,
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
    profile.how["tier"] = smallest.how
    return smallest.tier.name


def _interval_of_times(values: Sequence[float], shared: SharedError) -> Interval:
    """Return the interval of a time or a rate, one figure a process."""
    return estimate_median(values).widened(shared.reach_pct())


def _set_latency(
    profile: Profile,
    rounds: Sequence[FinishedRound],
    shared: SharedError,
    *,
    is_final: bool,
) -> None:
    n_calls = sum(r.latency.n_calls for r in rounds)
    for share, column in LATENCY_COLUMNS.items():
        needed = min_calls_to_report(share) if is_final else calls_to_hold(share)
        values_ms = [value / NS_PER_MS for value in per_process(rounds, share)]
        if n_calls < needed:
            profile.miss([column], f"needs {needed} calls; the time allowed for {n_calls}")
        else:
            is_known = len(values_ms) == len(rounds)
            interval = estimate_median(values_ms) if is_known else _pool_calls(rounds, share)
            shared_pct = shared.reach_pct(is_median=share == MEDIAN)
            profile.set_interval(column, interval.widened(shared_pct))


def _pool_calls(rounds: Sequence[FinishedRound], share: float) -> Interval:
    """Read a percentile in ms from the calls of all processes, when some have too few alone."""
    calls_ns = np.array([call for r in rounds for call in r.kept_ns or ()])
    pooled_ns = percentile_ns(calls_ns, share)
    if pooled_ns is None:  # a process that keeps no calls has enough of them
        return estimate_median([value / NS_PER_MS for value in per_process(rounds, share)])
    medians_ms = [value / NS_PER_MS for value in per_process(rounds, MEDIAN)]
    return estimate_pooled(pooled_ns / NS_PER_MS, calls_ns / NS_PER_MS, share, medians_ms)


def _best_batch(rounds: Sequence[FinishedRound]) -> int:
    """Return the batch size that the processes after the first repeated."""
    repeated = [r.batches[0].batch_size for r in rounds if len(r.batches) == 1]
    if repeated:
        return statistics.mode(repeated)
    return best_batch_size({b.batch_size: b.rows_per_s for b in rounds[0].batches})


def _set_device(
    profile: Profile, batches: Sequence[BatchPhase], reasons: Mapping[str, str]
) -> None:
    found_by_column = {
        "gpu_util_pct": [b.gpu_util_pct for b in batches if b.gpu_util_pct is not None],
        "gpu_memory_mib": [b.gpu_memory_mib for b in batches if b.gpu_memory_mib is not None],
    }
    for column, found in found_by_column.items():
        if found:
            profile.set_interval(column, estimate_median(found))
        else:
            profile.miss([column], reasons.get(column, METRICS_BY_COLUMN[column].null_reason))
    energies_j = [
        b.energy_j / (b.n_calls * b.batch_size) * ROWS_OF_ENERGY
        for b in batches
        if b.energy_j is not None
    ]
    if energies_j:
        profile.set_interval("energy_j_per_1k_rows", estimate_median(energies_j))
    else:
        otherwise = METRICS_BY_COLUMN["energy_j_per_1k_rows"].null_reason
        profile.miss(["energy_j_per_1k_rows"], reasons.get("energy_j", otherwise))


def _why_not_served(state: MeasurementState, settings: MeasuringSettings) -> str:
    if settings.server.n_processes and state.settled == "screened":
        return "no application could choose it, so it was not measured under load"
    return METRICS_BY_COLUMN["max_rate_per_s"].null_reason


def _usable_batches(
    state: MeasurementState, settings: MeasuringSettings, batch_size: int
) -> list[tuple[FinishedRound, BatchPhase]]:
    """Return the undisturbed timings of a batch size, or all when too few were undisturbed."""
    timed = [(r, b) for r in state.rounds for b in r.batches if b.batch_size == batch_size]
    clean = [(r, b) for r, b in timed if not is_phase_disturbed(b, r, state.rounds, settings)]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(timed)) else timed


def _set_offline(
    profile: Profile, batches: Sequence[BatchPhase], shared: SharedError, n_threads: int
) -> None:
    profile.set_interval(
        "throughput_rows_per_s", _interval_of_times([b.rows_per_s for b in batches], shared)
    )
    cores = [batch.cpu_ms / batch.wall_ms for batch in batches]
    profile.set_interval("cpu_cores", estimate_median(cores))
    profile.set_interval("cpu_util_pct", estimate_median([100 * one / n_threads for one in cores]))


def _set_memory(profile: Profile, rounds: Sequence[FinishedRound], batch_size: int) -> None:
    one_row_mib, peak_mib, growth_mib = [], [], []
    for r in rounds:
        small = max(r.load.peak_memory_mib, r.latency.peak_memory_mib)
        large = max(small, *(b.peak_memory_mib for b in r.batches if b.batch_size == batch_size))
        one_row_mib.append(_absolute_mib(r, small + r.files_mib))
        peak_mib.append(_absolute_mib(r, large + r.files_mib))
        growth_mib.append(large + r.files_mib)
    for column, found_mib in (
        ("peak_memory_mib", peak_mib),
        ("peak_memory_one_row_mib", one_row_mib),
    ):
        profile.set_interval(column, estimate_median(found_mib).widened(SHARED_MEMORY_ERROR_PCT))
    profile.set_interval("model_memory_mib", estimate_median(growth_mib))


def _absolute_mib(measured: FinishedRound, growth_mib: float) -> float:
    """Return the peak of a process started from nothing, from the growth of a forked one."""
    return max(measured.base_peak_mib, measured.base_resident_mib + max(0.0, growth_mib))


def _describe(
    state: MeasurementState,
    rounds: Sequence[FinishedRound],
    settings: MeasuringSettings,
    shared: SharedError,
) -> MeasuredHow:
    latencies = [r.latency for r in rounds]
    tried = max((r.batches for r in rounds), key=len)
    full_ns = min(r.probe_full_ns for r in rounds)
    return MeasuredHow(
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
        batches=[{key: getattr(batch, key) for key in BATCH_FIELDS} for batch in tried],
        limits=state.limits,
        interruptions=sorted({r.interruption for r in state.rounds if r.interruption}),
        measured_s=sum(r.total_ms for r in state.rounds) / MS_PER_S,
        n_visits=settings.n_visits,
        shared_error_pct=shared.in_turns_pct,
        n_turns_seen=shared.n_turns,
    )


def _highest(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)
