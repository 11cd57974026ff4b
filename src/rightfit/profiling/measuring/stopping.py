"""When a measurement is over, and which of its processes count.

A measurement's state is plain JSON: its *rounds* (one fresh process each), how many of them were
disturbed and made up for, and why it is over.
"""

from __future__ import annotations

import math

from rightfit.profiling.intervals import median_interval
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.worker.process import Json
from rightfit.profiling.worker.speed import is_slow

MS_PER_S = 1_000
MIN_CLEAN_ROUNDS = 3
DISTURBED_TIMES = 2  # disturbed rounds may make a measurement take so many times as long


def new_state() -> Json:
    """Return the state of a measurement that has not begun."""
    return {
        "rounds": [],
        "n_retries": 0,
        "is_noisy": False,
        "settled": None,
        "error": None,
        "server": [],
        "limits": {},
    }


def is_over(state: Json) -> bool:
    """Tell whether nothing more is to be measured."""
    return state["settled"] is not None or state["error"] is not None


def is_delayed(phase: Json, settings: MeasuringSettings) -> bool:
    """Tell whether others took the cores in a phase of a round."""
    return phase["delay_share"] is not None and phase["delay_share"] > settings.max_delay_share


def is_phase_disturbed(phase: Json, state: Json, settings: MeasuringSettings) -> bool:
    """Tell whether a phase of a round was delayed, or ran on a slow core.

    Args:
        phase: ``latency`` or one of the ``batches`` of a round.
        state: Its measurement; the fastest full speed its processes knew of is what counts, so
            that a first one on a slow core is found out by the next.
        settings: Limits.
    """
    full_ns = min(r["probe_full_ns"] for r in state["rounds"])
    return (
        is_delayed(phase, settings)
        or phase.get("slow_share", 0.0) > settings.max_slow_share
        or is_slow(phase["probe_ns"], full_ns)
    )


def is_disturbed(finished: Json, state: Json, settings: MeasuringSettings) -> bool:
    """Tell whether the latencies of a round were disturbed."""
    return is_phase_disturbed(finished["latency"], state, settings)


def why_settled(state: Json, settings: MeasuringSettings) -> str | None:
    """Tell why no further process is needed, ``None`` when one is.

    Args:
        state: State after a round.
        settings: Precision and caps.
    """
    rounds = usable_rounds(state, settings)
    spent_ms = sum(r["total_ms"] for r in rounds)
    with_disturbed_ms = sum(r["total_ms"] for r in state["rounds"])
    max_ms = settings.max_s * MS_PER_S
    if spent_ms >= max_ms or with_disturbed_ms >= DISTURBED_TIMES * max_ms:
        return "time"
    n_made = len(state["rounds"]) - state["n_retries"]
    if n_made < settings.min_processes:
        return None
    wanted = [(0.5, settings.p50_width_pct), (0.95, settings.p95_width_pct)]
    if all(
        width_pct is None or _half_width_pct(rounds, share) <= width_pct
        for share, width_pct in wanted
    ):
        return "precise"
    return "processes" if n_made >= settings.max_processes else None


def usable_rounds(state: Json, settings: MeasuringSettings) -> list[Json]:
    """Return the undisturbed rounds, or all of them when too few were undisturbed.

    Few clean figures are better than many that a neighbour has doubled; the interval of few is
    wide enough to say so.
    """
    rounds: list[Json] = state["rounds"]
    clean = [r for r in rounds if not is_disturbed(r, state, settings)]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(rounds)) else rounds


def per_process(rounds: list[Json], share: float) -> list[float]:
    """Return a latency percentile of each process in ns, of those that can hold it."""
    values = (r["percentiles_ns"][str(share)] for r in rounds)
    return [value for value in values if value is not None]


def _half_width_pct(rounds: list[Json], share: float) -> float:
    values = per_process(rounds, share)
    if not values:
        return math.inf
    interval = median_interval(values)
    return interval.half_width_pct if interval.is_distribution_free else math.inf
