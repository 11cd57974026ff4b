"""What the profiler itself costs: how much of its time was timing, and what it adds to a call."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rightfit.profiling.worker.latency import NS_PER_MS
from rightfit.profiling.worker.process import Json

MS_PER_S = 1_000


def describe_cost(rounds: Sequence[Json], *, total_s: float) -> str:
    """Describe where the time of some measuring processes went.

    Args:
        rounds: The processes' results, at least one.
        total_s: Wall time of all of it: processes, waiting for others, judging quality.

    Returns:
        One sentence.
    """
    timing_s = sum(_timing_ms(r) for r in rounds) / MS_PER_S
    opening_s = sum(r["load"]["wall_ms"] + r["warm_up"]["ms"] for r in rounds) / MS_PER_S
    within_s = sum(r["total_ms"] for r in rounds) / MS_PER_S
    overhead_ns = statistics.median(r["overhead_ns"] for r in rounds)
    p50_ns = statistics.median(r["percentiles_ns"]["0.5"] for r in rounds)
    return (
        f"{len(rounds)} processes took {total_s:.1f} s: {timing_s:.1f} s timing, {opening_s:.1f} s "
        f"opening and warming up, {within_s - timing_s - opening_s:.1f} s preparing and probing, "
        f"{total_s - within_s:.1f} s starting, waiting and judging; timing adds {overhead_ns:.0f} "
        f"ns to a call ({100 * overhead_ns / p50_ns:.2g} % of the median p50 of "
        f"{p50_ns / NS_PER_MS:.3g} ms)"
    )


def _timing_ms(finished: Json) -> float:
    phases = [finished["latency"], *finished["batches"]]
    return float(sum(phase["wall_ms"] for phase in phases))
