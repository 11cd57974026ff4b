"""When a measurement is over, and which of its rounds count."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.metrics import LATENCY_COLUMNS
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState, Settled
from rightfit.measuring.worker.latency import MEDIAN, min_calls_to_report
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS

P95 = 0.95
MIN_CLEAN_ROUNDS = 3
CHEAP_SHARE = 0.1  # of the time of a measurement, that calls for the p99 may take beyond it
WALL_TIMES = 5  # a measurement may take so much longer where others take the cores

# Per-process figures at the machine's usual speed, by percentile, see measuring/blocks.py.
AdjustedNs = Mapping[float, Sequence[float]]


def find_stop_reason(
    state: MeasurementState, settings: MeasuringSettings, adjusted_ns: AdjustedNs
) -> Settled | None:
    """Tell why no further round is needed, ``None`` when one is.

    Args:
        state: State after a round.
        settings: Precision and caps.
        adjusted_ns: Latencies of the rounds that count.
    """
    rounds = usable_rounds(state.rounds)
    # CPU time where it is less: a measurement beside other work is to have as many rounds
    spent_ms = sum(min(r.total_ms, r.cpu_ms or r.total_ms) for r in rounds)
    max_ms = settings.max_s * MS_PER_S
    if sum(r.total_ms for r in state.rounds) >= WALL_TIMES * max_ms:
        return "time"
    if spent_ms >= max_ms:
        # The highest percentile may lack calls that take next to no time. The time may be over
        # after half of the processes, and an application that looks at the p99 could choose
        # nothing, for want of calls of some microseconds.
        missing = min_calls_to_report(max(LATENCY_COLUMNS)) - sum(r.latency.n_calls for r in rounds)
        medians_ns = per_process(rounds, MEDIAN)
        if missing <= 0 or not medians_ns or len(state.rounds) >= settings.max_processes:
            return "time"
        missing_ms = missing * statistics.median(medians_ns) / NS_PER_MS
        return None if missing_ms <= CHEAP_SHARE * max_ms else "time"
    if len(rounds) < settings.min_processes:
        return None
    widths = [(MEDIAN, settings.p50_width_pct), (P95, settings.p95_width_pct)]
    if all(
        width_pct is None or _half_width_pct(adjusted_ns.get(share, ())) <= width_pct
        for share, width_pct in widths
    ):
        return "precise"
    return "processes" if len(rounds) >= settings.max_processes else None


def usable_rounds(rounds: Sequence[FinishedRound]) -> Sequence[FinishedRound]:
    """Return the rounds that nothing disturbed, or all of them when these are too few."""
    clean = [r for r in rounds if not r.is_disturbed]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(rounds)) else rounds


def per_process(rounds: Sequence[FinishedRound], share: float) -> list[float]:
    """Return a latency percentile of each process in ns, of those that can hold it."""
    values = (r.percentiles_ns[share] for r in rounds)
    return [value for value in values if value is not None]


def _half_width_pct(values: Sequence[float]) -> float:
    if not values:
        return math.inf
    interval = estimate_median(values)
    return interval.half_width_pct if interval.is_distribution_free else math.inf
