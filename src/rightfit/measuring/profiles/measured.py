"""A measurement's figures: one per process and metric, and the intervals that they give."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rightfit.measuring.blocks import FigureByBlock, Level, adjust_figures, estimate_group_error
from rightfit.measuring.hardware.tiers import TierFit, cheapest_fit, cost_per_1m_rows, smallest_fit
from rightfit.measuring.interval import Interval
from rightfit.measuring.median_estimates import (
    ProcessSpread,
    estimate_median,
    pool_spread,
)
from rightfit.measuring.metrics import (
    COMMON_MODE_MEMORY_ERROR_PCT,
    MEASURED_SOURCES,
    METRICS,
    Metric,
    MetricTable,
    columns_from,
)
from rightfit.measuring.profile import LoadTried, MeasuredHow, ProfileBuilder
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import usable_rounds
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.latency import P99, calls_to_hold, min_calls_to_report
from rightfit.measuring.worker.results import BatchPhase
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS

LONGER = "measure again on a quieter machine, or with a longer preset"


@dataclass(frozen=True)
class Measured:
    """A measurement as its metrics read it.

    Args:
        state: The measurement, with at least one round unless it failed.
        settings: The preset it was measured with.
        adjusted: Figures of its processes at the machine's usual speed, by column and block, of the
            metrics that a machine's speed moves.
        level: How sure that speed is.
        n_threads: Cores it was given.
        spreads: By how much processes of the measurements beside it differ, by column: what few
            processes cannot tell themselves.
        group_pct: Error that it shares with those, beside others that were timed in other blocks,
            by column.
    """

    state: MeasurementState
    settings: MeasuringSettings
    adjusted: Mapping[str, FigureByBlock] = field(default_factory=dict)
    level: Level = field(default_factory=lambda: Level(0.0))
    n_threads: int = 1
    spreads: Mapping[str, ProcessSpread] = field(default_factory=dict)
    group_pct: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def rounds(self) -> Sequence[FinishedRound]:
        """The processes that count."""
        return usable_rounds(self.state.rounds)

    @cached_property
    def batch_size(self) -> int:
        """Batch size that all of them timed: the one that processes after the first repeated."""
        repeated = [
            round_.batches[0].batch_size for round_ in self.rounds if len(round_.batches) == 1
        ]
        return statistics.mode(repeated) if repeated else self.rounds[0].best_batch_size

    @cached_property
    def timed_batches(self) -> Sequence[tuple[FinishedRound, BatchPhase]]:
        """Their timings of that size; each with its process."""
        return [
            (one, batch)
            for one in self.rounds
            for batch in one.batches
            if batch.batch_size == self.batch_size
        ]

    @property
    def is_disturbed(self) -> bool:
        """Whether a process that counts was disturbed: too few others are left."""
        return any(round_.is_disturbed for round_ in self.rounds)

    def figures(self, metric: Metric) -> list[float]:
        """Return a metric's figures, one for each process whose calls hold it."""
        figures = self.by_block(metric)
        adjusted = self.adjusted.get(metric.column, figures)
        return [adjusted.get(block, figure) for block, figure in figures.items()]

    def by_block(self, metric: Metric) -> dict[str, float]:
        """Return a metric's figures as they were timed, by block."""
        if metric.percentile is not None:
            times = {one.block: one.percentiles_ns[metric.percentile] for one in self.rounds}
            return {block: ns / NS_PER_MS for block, ns in times.items() if ns is not None}
        if metric.of_process is not None:
            return {one.block: metric.of_process(one, self.batch_size) for one in self.rounds}
        if metric.of_batch is not None:
            figures = {one.block: metric.of_batch(batch) for one, batch in self.timed_batches}
            return {block: figure for block, figure in figures.items() if figure is not None}
        return {}

    def interval(self, metric: Metric) -> Interval | str:
        """Return a metric with its interval, or why it was not measured."""
        if metric.source == "load_test":
            return self._interval_under_load(metric)
        if metric == MetricTable.cpu_util_pct:
            cores = MetricTable.cpu_cores
            shares = [100 / self.n_threads * n_cores for n_cores in self.figures(cores)]
            return estimate_median(shares, spread=self._spread(cores))
        figures = self.figures(metric)
        if metric.percentile is not None:
            n_calls = sum(round_.latency.n_calls for round_ in self.rounds)
            # during measuring it is read from fewer calls than may be published
            needed = min_calls_to_report(metric.percentile) if self.state.is_over else 0
            if n_calls < needed:
                return f"needs {needed} calls; the time allowed for {n_calls}: {LONGER}"
            if not figures:
                needed = calls_to_hold(metric.percentile)
                return f"needs {needed} calls of a process; the time allowed for fewer: {LONGER}"
        if not figures:
            reasons = self.rounds[0].device_reasons.items()
            device_reasons = (reason for key, reason in reasons if metric.column.startswith(key))
            return next(device_reasons, metric.null_reason)
        interval = estimate_median(figures, spread=self._spread(metric))
        if metric.shares == "memory":
            return interval.widened(COMMON_MODE_MEMORY_ERROR_PCT)
        group_pct = self.group_pct.get(metric.column)
        return interval.widened(group_pct) if group_pct else interval

    def _spread(self, metric: Metric) -> ProcessSpread | None:
        return None if self.is_disturbed else self.spreads.get(metric.column)

    def _interval_under_load(self, metric: Metric) -> Interval | str:
        """Return a metric of the server scenario, whose processes follow each other in no turns."""
        served = self.state.server
        if not served:
            if self.settings.server.n_processes and self.state.settled == "screened":
                return "no application could choose it, so it was not measured under load"
            return metric.null_reason
        if reasons := [
            server_round.reason for server_round in served if server_round.reason is not None
        ]:
            return reasons[0]
        n_requests = sum(server_round.n_requests for server_round in served)
        if n_requests < (needed := min_calls_to_report(P99)):
            return f"needs {needed} requests; the time allowed for {n_requests}: {LONGER}"
        figures = [
            server_round.p99_ms for server_round in served if server_round.p99_ms is not None
        ]
        interval = estimate_median(figures, looks_once=True)
        return interval.widened(self.level.half_width_pct)

    def describe(self, how: MeasuredHow) -> MeasuredHow:
        """Return how it was measured, over the processes that count."""
        state, rounds = self.state, self.rounds
        served = None
        if state.server:
            served = LoadTried(
                rate_per_s=self.settings.server.rate_per_s,
                utilisation=statistics.median(
                    server_round.utilisation for server_round in state.server
                ),
                processes=state.server,
            )
        return replace(
            how,
            n_processes=len(rounds),
            settled=state.settled,
            others_cores=max(
                (one.others_cores for one in rounds if one.others_cores is not None), default=None
            ),
            limits=state.limits,
            measured_s=sum(round_.total_ms for round_ in state.rounds) / MS_PER_S,
            level_error_pct=self.level.half_width_pct,
            n_runs_seen=self.level.n_runs,
            slowdown=self.level.slowdown,
            server=served,
        )


def tell_at_usual_speed(
    measured: Sequence[Measured], reference: Measured, *, is_apart: bool = False
) -> list[Measured]:
    """Return measurements that were timed in common blocks at the machine's usual speed.

    The median call of the reference tells it, for all metrics. Its tail is the host's: told by
    that, the p99 of profiles in other blocks differed between runs by a root mean square of 0.36
    (logarithms), told by the median by 0.09 (docs/explanation/evidence/measuring.md).

    Args:
        measured: Measurements; what failed stays as it is.
        reference: That of the reference, with its rounds of all runs; none: the usual speed is that
            of these measurements.
        is_apart: Whether they are compared with others, which were timed in other blocks.
    """
    group_pct = {}
    adjusted: list[dict[str, FigureByBlock]] = [{} for _ in measured]
    call_ms = reference.by_block(MetricTable.latency_p50_ms) if reference.rounds else {}
    calls_per_ms = {block: 1 / ms for block, ms in call_ms.items()}
    for metric in METRICS:
        if metric.shares == "drift":
            figures = [one.by_block(metric) if one.rounds else {} for one in measured]
            speed = calls_per_ms if metric.better == "higher" else call_ms
            for found, of_profile in zip(adjusted, adjust_figures(figures, speed), strict=True):
                found[metric.column] = of_profile
            if is_apart:
                group_pct[metric.column] = estimate_group_error(figures, speed)
    told = [replace(one, adjusted=own) for one, own in zip(measured, adjusted, strict=True)]
    spreads = {
        n_threads: pool_spreads([one for one in told if one.n_threads == n_threads])
        for n_threads in {one.n_threads for one in told}
    }
    return [replace(one, spreads=spreads[one.n_threads], group_pct=group_pct) for one in told]


def pool_spreads(measured: Iterable[Measured]) -> dict[str, ProcessSpread]:
    """Return by how much uninterrupted processes of one profile differ, by column."""
    clean = [
        measurement
        for measurement in measured
        if measurement.state.rounds
        and measurement.state.error is None
        and not measurement.is_disturbed
    ]
    pooled = {}
    for metric in METRICS:
        spread = pool_spread([measurement.figures(metric) for measurement in clean])
        if spread is not None:
            pooled[metric.column] = spread
    return pooled


def set_measured(profile: ProfileBuilder, measured: Measured) -> None:
    """Set the metrics that measuring processes found, or why they found none."""
    if measured.state.error is not None:
        reason = f"it does not run: {measured.state.error}"
        profile.miss(columns_from(*MEASURED_SOURCES), reason)
        return
    for metric in METRICS:
        if metric.source not in MEASURED_SOURCES:
            continue
        interval = measured.interval(metric)
        if isinstance(interval, Interval):
            profile.set_interval(metric.column, interval)
        else:
            profile.miss([metric.column], interval)
    profile.best_batch_size = measured.batch_size
    profile.n_latency_samples = sum(round_.latency.n_calls for round_ in measured.rounds)
    profile.disturbed = measured.is_disturbed
    if profile.how is not None:
        profile.how = measured.describe(profile.how)


def set_tiers(
    profile: ProfileBuilder,
    judged: Sequence[TierFit],
    *,
    low: Sequence[TierFit] = (),
    high: Sequence[TierFit] = (),
) -> None:
    """Set the smallest tier a profile runs on, if any, and the cost on the cheapest.

    Args:
        profile: With its serving metrics set.
        judged: The profile on every tier.
        low: The same at the lower end of its peak memory; none where that is not known.
        high: At the upper end.
    """
    smallest, cheapest = smallest_fit(judged), cheapest_fit(judged)
    rows_per_s = profile.values["throughput_rows_per_s"]
    if smallest is None or cheapest is None or rows_per_s is None:
        reasons = "; ".join(f"{j.tier.name}: {j.reason}" for j in judged)
        reason = f"it fits no tier ({reasons})" if judged else profile.reasons["peak_memory_mib"]
        profile.miss(columns_from("tiers"), reason)
        return
    profile.hardware_tier = smallest.tier.name
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
