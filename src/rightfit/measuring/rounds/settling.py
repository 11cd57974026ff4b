"""When a measurement is over, and which of its rounds count."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from rightfit.measuring.intervals import estimate_median
from rightfit.measuring.metrics import LATENCY_COLUMNS
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState, Settled
from rightfit.measuring.worker.latency import min_calls_to_report
from rightfit.measuring.worker.meters.speed import is_slow
from rightfit.measuring.worker.results import StreamPhase, TimedPhase
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS

MIN_CLEAN_ROUNDS = 3
CHEAP_SHARE = 0.1  # of the time of a measurement, that calls for the p99 may take beyond it
DISTURBED_TIMES = 2  # disturbed rounds may at most double the time of a measurement


def is_delayed(phase: TimedPhase, settings: MeasuringSettings) -> bool:
    """Tell whether others took the cores in a phase of a round."""
    return phase.delay_share is not None and phase.delay_share > settings.max_delay_share


def is_phase_disturbed(
    phase: TimedPhase,
    finished: FinishedRound,
    rounds: Sequence[FinishedRound],
    settings: MeasuringSettings,
) -> bool:
    """Tell whether a phase of a round was delayed or interrupted, or ran on a slow core.

    Args:
        phase: Single rows or batches of the round.
        finished: The round.
        rounds: All rounds of its measurement; the fastest full speed that any of them knew counts,
            so that a later round exposes a first one on a slow core.
        settings: Limits.
    """
    full_ns = min(r.probe_full_ns for r in rounds)
    was_slow = isinstance(phase, StreamPhase) and phase.slow_share > settings.max_slow_share
    if finished.interruption is not None:
        return True
    return was_slow or is_delayed(phase, settings) or is_slow(phase.probe_ns, full_ns)


def is_disturbed(
    finished: FinishedRound, rounds: Sequence[FinishedRound], settings: MeasuringSettings
) -> bool:
    """Tell whether the latencies of a round were disturbed."""
    return is_phase_disturbed(finished.latency, finished, rounds, settings)


def why_settled(state: MeasurementState, settings: MeasuringSettings) -> Settled | None:
    """Tell why no further round is needed, ``None`` when one is.

    Args:
        state: State after a round.
        settings: Precision and caps.
    """
    rounds = usable_rounds(state.rounds, settings)
    spent_ms = sum(r.total_ms for r in rounds)
    with_disturbed_ms = sum(r.total_ms for r in state.rounds)
    max_ms = settings.max_s * MS_PER_S
    if with_disturbed_ms >= DISTURBED_TIMES * max_ms:
        return "time"
    if spent_ms >= max_ms:
        # The highest percentile may lack calls that take next to no time. On a busy machine the
        # time may be over after half of the processes, and an application that looks at the p99
        # could choose nothing, for want of calls of some microseconds.
        missing = min_calls_to_report(max(LATENCY_COLUMNS)) - sum(r.latency.n_calls for r in rounds)
        medians_ns = per_process(rounds, 0.5)
        if missing <= 0 or not medians_ns or len(state.rounds) >= settings.max_processes:
            return "time"
        missing_ms = missing * statistics.median(medians_ns) / NS_PER_MS
        return None if missing_ms <= CHEAP_SHARE * max_ms else "time"
    n_made = len(state.rounds) - state.n_retries
    if n_made < settings.min_processes:
        return None
    wanted = [(0.5, settings.p50_width_pct), (0.95, settings.p95_width_pct)]
    if all(
        width_pct is None or _half_width_pct(rounds, share) <= width_pct
        for share, width_pct in wanted
    ):
        return "precise"
    return "processes" if n_made >= settings.max_processes else None


def usable_rounds(
    rounds: Sequence[FinishedRound], settings: MeasuringSettings
) -> Sequence[FinishedRound]:
    """Return the undisturbed rounds, or all of them when too few were undisturbed.

    Few clean figures are better than many that a neighbour has doubled; the interval of few is
    wide enough to say so.
    """
    clean = [r for r in rounds if not is_disturbed(r, rounds, settings)]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(rounds)) else rounds


def per_process(rounds: Sequence[FinishedRound], share: float) -> list[float]:
    """Return a latency percentile of each process in ns, of those that can hold it."""
    values = (r.percentiles_ns[share] for r in rounds)
    return [value for value in values if value is not None]


def _half_width_pct(rounds: Sequence[FinishedRound], share: float) -> float:
    values = per_process(rounds, share)
    if not values:
        return math.inf
    interval = estimate_median(values)
    return interval.half_width_pct if interval.is_distribution_free else math.inf
