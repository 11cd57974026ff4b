"""A measurement's figures: one per process and metric, and the intervals that they give."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rightfit.measuring.blocks import FigureByBlock, Level, adjust_figures, estimate_group_error
from rightfit.measuring.cost_classes import contradict
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
    METRICS_BY_COLUMN,
    Metric,
    MetricTable,
    columns_from,
)
from rightfit.measuring.profile import (
    NO_PARTS,
    PART_COLUMNS,
    LoadTried,
    MeasuredHow,
    ProfileBuilder,
)
from rightfit.measuring.rounds.batch_sizes import find_best_batch_size, list_batch_sizes
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import usable_rounds
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.throughput_curve import CurveFigure, CurvePoint
from rightfit.measuring.worker.latency import P99, calls_to_hold, min_calls_to_report
from rightfit.measuring.worker.results import PARTS
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS

LONGER = "measure again on a quieter machine, or longer, with preset standard or publish"
Adjusted = Mapping[tuple[str, int | None], FigureByBlock]


@dataclass(frozen=True)
class Measured:
    """A measurement as its metrics read it.

    Args:
        state: The measurement, with at least one round unless it failed.
        settings: The preset it was measured with.
        adjusted: Figures of its processes at the machine's usual speed, by column, batch size and
            block, of the metrics that a machine's speed moves; the batch size is ``None`` where the
            metric has none.
        level: How sure that speed is.
        n_threads: Cores it was given.
        spreads: By how much processes of the measurements beside it differ, by column: what few
            processes cannot tell themselves.
        group_pct: Error that it shares with those, beside others that were timed in other blocks,
            by column.
        twins: Measurements of the same served graph with other weights: all samples tell each.
    """

    state: MeasurementState
    settings: MeasuringSettings
    adjusted: Adjusted = field(default_factory=dict)
    level: Level = field(default_factory=lambda: Level(0.0))
    n_threads: int = 1
    spreads: Mapping[str, ProcessSpread] = field(default_factory=dict)
    group_pct: Mapping[str, float] = field(default_factory=dict)
    twins: tuple[Measured, ...] = ()

    @cached_property
    def own_rounds(self) -> Sequence[FinishedRound]:
        """Its processes that count."""
        return usable_rounds(self.state.rounds)

    @cached_property
    def rounds(self) -> Sequence[FinishedRound]:
        """The processes that its figures rest on."""
        return [*self.own_rounds, *(one for twin in self.twins for one in twin.own_rounds)]

    @cached_property
    def batch_sizes(self) -> Sequence[int]:
        """Batch sizes that most of the processes timed, rising."""
        return list_batch_sizes(self.rounds)

    @cached_property
    def batch_size(self) -> int:
        """Batch size of the throughput."""
        return find_best_batch_size(self.rounds)

    @property
    def is_disturbed(self) -> bool:
        """Whether a process that counts was disturbed: too few others are left."""
        return any(round_.is_disturbed for round_ in self.rounds)

    def figures(self, metric: Metric, batch_size: int | None = None) -> list[float]:
        """Return a metric's figures, one for each process whose calls hold it.

        Args:
            metric: The metric.
            batch_size: Where it depends on one; ``None``: that of the throughput.
        """
        size = (batch_size or self.batch_size) if metric.has_batch_size else None
        figures = []
        for one in (self, *self.twins):
            by_block = one.by_block(metric, size)
            adjusted = one.adjusted.get((metric.column, size), by_block)
            figures += [adjusted.get(block, figure) for block, figure in by_block.items()]
        return figures

    def by_block(self, metric: Metric, batch_size: int | None = None) -> dict[str, float]:
        """Return a metric's figures in its own processes as they were timed, by block."""
        size = batch_size or (self.batch_size if metric.has_batch_size else 0)
        if metric.percentile is not None:
            times = {one.block: one.percentiles_ns[metric.percentile] for one in self.own_rounds}
            return {block: ns / NS_PER_MS for block, ns in times.items() if ns is not None}
        if metric.of_process is not None:
            return {one.block: metric.of_process(one, size) for one in self.own_rounds}
        if metric.of_batch is not None:
            figures = {
                one.block: metric.of_batch(batch)
                for one in self.own_rounds
                for batch in one.batches
                if batch.batch_size == size
            }
            return {block: figure for block, figure in figures.items() if figure is not None}
        return {}

    def interval(self, metric: Metric, batch_size: int | None = None) -> Interval | str:
        """Return a metric with its interval, or why it was not measured.

        Args:
            metric: The metric.
            batch_size: Where it depends on one; ``None``: that of the throughput.
        """
        if metric.source == "load_test":
            return self._interval_under_load(metric)
        if metric == MetricTable.cpu_util_pct:
            cores = MetricTable.cpu_cores
            shares = [100 / self.n_threads * n for n in self.figures(cores, batch_size)]
            return estimate_median(shares, spread=self._spread(cores))
        figures = self.figures(metric, batch_size)
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
    adjusted: list[dict[tuple[str, int | None], FigureByBlock]] = [{} for _ in measured]
    call_ms = reference.by_block(MetricTable.latency_p50_ms) if reference.rounds else {}
    calls_per_ms = {block: 1 / ms for block, ms in call_ms.items()}
    running = [(number, one) for number, one in enumerate(measured) if one.rounds]
    for metric in METRICS:
        if metric.shares == "drift":
            # each batch size is one more figure that tells what a block did
            rows: list[tuple[int, int | None]] = [
                (number, size)
                for number, one in running
                for size in (one.batch_sizes if metric.has_batch_size else (None,))
            ]
            figures = [measured[number].by_block(metric, size) for number, size in rows]
            speed = calls_per_ms if metric.better == "higher" else call_ms
            for (number, size), usual in zip(rows, adjust_figures(figures, speed), strict=True):
                adjusted[number][metric.column, size] = usual
            if is_apart:
                group_pct[metric.column] = estimate_group_error(figures, speed)
    told = [replace(one, adjusted=own) for one, own in zip(measured, adjusted, strict=True)]
    spreads = {
        n_threads: pool_spreads([one for one in told if one.n_threads == n_threads])
        for n_threads in {one.n_threads for one in told}
    }
    return [replace(one, spreads=spreads[one.n_threads], group_pct=group_pct) for one in told]


def share_costs(measured: Sequence[Measured], classes: Sequence[Hashable | None]) -> list[Measured]:
    """Give measurements of one cost class each other's samples, unless these contradict each other.

    Args:
        measured: Measurements at the machine's usual speed.
        classes: Cost class of each; ``None``: none.
    """
    members: dict[Hashable, list[int]] = {}
    for number, (one, cost_class) in enumerate(zip(measured, classes, strict=True)):
        if cost_class is not None and one.rounds:
            members.setdefault(cost_class, []).append(number)
    shared = list(measured)
    for numbers in members.values():
        mates = [measured[number] for number in numbers]
        size = replace(mates[0], twins=tuple(mates[1:])).batch_size
        metrics = MetricTable.latency_p50_ms, MetricTable.throughput_rows_per_s
        if not any(contradict([one.figures(metric, size) for one in mates]) for metric in metrics):
            for number in numbers:
                twins = tuple(mate for mate in mates if mate is not measured[number])
                shared[number] = replace(measured[number], twins=twins)
    return shared


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
        profile.miss([*columns_from(*MEASURED_SOURCES), *PART_COLUMNS], reason)
        return
    for metric in METRICS:
        if metric.source not in MEASURED_SOURCES:
            continue
        interval = measured.interval(metric)
        if isinstance(interval, Interval):
            profile.set_interval(metric.column, interval)
        else:
            profile.miss([metric.column], interval)
    _set_parts(profile, measured)
    profile.best_batch_size = measured.batch_size
    profile.n_latency_samples = sum(round_.latency.n_calls for round_ in measured.rounds)
    profile.disturbed = measured.is_disturbed
    if profile.how is not None:
        profile.how = measured.describe(profile.how)


def _set_parts(profile: ProfileBuilder, measured: Measured) -> None:
    """Set what each part of a request takes: the shares that its processes found, of the median."""
    found = [one.parts for one in measured.rounds if one.parts]
    whole = measured.interval(MetricTable.latency_p50_ms)
    if not found or not isinstance(whole, Interval):
        profile.miss(PART_COLUMNS, NO_PARTS)
        return
    for part, column in zip(PARTS, PART_COLUMNS, strict=True):
        share = estimate_median([parts[part] for parts in found])
        low, high = (None if end is None else end * whole.value for end in (share.low, share.high))
        profile.set_interval(
            column, replace(share, value=share.value * whole.value, low=low, high=high)
        )


def make_point(
    measured: Measured, batch_size: int, judge: Callable[[ProfileBuilder], None]
) -> CurvePoint:
    """Return all metrics that depend on the batch size, at one of the sizes.

    Args:
        measured: The measurement.
        batch_size: One of its sizes.
        judge: Sets the tier and the cost of a profile.
    """
    at_size = ProfileBuilder()
    for metric in METRICS:
        if metric.source in MEASURED_SOURCES and metric.has_batch_size:
            interval = measured.interval(metric, batch_size)
            if isinstance(interval, Interval):
                at_size.set_interval(metric.column, interval)
            else:
                at_size.miss([metric.column], interval)
    judge(at_size)
    values = {column: float(value) for column, value in at_size.values.items() if value is not None}
    figures = tuple(
        CurveFigure(
            column, values[column], values.get(f"{column}_low"), values.get(f"{column}_high")
        )
        for column in METRICS_BY_COLUMN
        if column in values
    )
    return CurvePoint(batch_size, figures, at_size.hardware_tier)


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
