"""What the log tells of measuring: each job's end, what screening saved, what measuring cost."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence

from rightfit.profiling.intervals import estimate_median
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import is_disturbed, per_process, usable_rounds
from rightfit.profiling.worker.units import MS_PER_S, NS_PER_MS

logger = logging.getLogger(__name__)


def log_end(job: Job, state: MeasurementState, settings: MeasuringSettings, *, count: str) -> None:
    """Log that a job is over.

    Args:
        job: The job.
        state: Its final state.
        settings: How it was measured.
        count: How many jobs are over, like ``3/12``.
    """
    if state.error is not None:
        logger.warning("%s %s (%s): %s", job.cell, job.candidate, job.serving, state.error)
        return
    rounds = usable_rounds(state.rounds, settings)
    p50 = estimate_median(per_process(rounds, 0.5))
    logger.debug(
        "%s %s %s (%s): p50 %.3g ms ± %.0f %% from %d processes%s",
        job.cell,
        count,
        job.candidate,
        job.serving,
        p50.value / NS_PER_MS,
        p50.half_width_pct,
        len(rounds),
        ", disturbed" if any(is_disturbed(r, state.rounds, settings) for r in rounds) else "",
    )


def log_cell(
    cell: str,
    states: Sequence[MeasurementState],
    settings: MeasuringSettings,
    *,
    total_s: float,
    level: int,
) -> None:
    """Log that a cell's jobs are over, in one line; details at debug level.

    Args:
        cell: ``{dataset}.{model}``.
        states: States of all jobs, settled.
        settings: How they were measured.
        total_s: Wall time of it.
        level: Of the line.
    """
    timed = [state for state in states if state.rounds]
    disturbed = [s for s in timed if any(is_disturbed(r, s.rounds, settings) for r in s.rounds)]
    more = f", {len(disturbed)} disturbed" if disturbed else ""
    logger.log(level, "%s: %d profiles in %.0f s%s", cell, len(states), total_s, more)
    n_screened = sum(state.settled == "screened" for state in states)
    if n_screened:
        logger.debug(
            "%s: no application could choose %d of %d profiles after a short screening.",
            *(cell, n_screened, len(states)),
        )


def describe_cost(rounds: Sequence[FinishedRound], *, total_s: float) -> str:
    """Describe where the time of some measuring processes went, and what timing adds to a call.

    Args:
        rounds: The processes' results, at least one.
        total_s: Wall time of all of it: processes, waiting for others, judging quality.

    Returns:
        One sentence.
    """
    timing_s = sum(_timing_ms(r) for r in rounds) / MS_PER_S
    opening_s = sum(r.load.wall_ms + r.warm_up.ms for r in rounds) / MS_PER_S
    within_s = sum(r.total_ms for r in rounds) / MS_PER_S
    overhead_ns = statistics.median(r.overhead_ns for r in rounds)
    p50_ns = statistics.median(per_process(rounds, 0.5))
    return (
        f"{len(rounds)} processes took {total_s:.1f} s: {timing_s:.1f} s timing, {opening_s:.1f} s "
        f"opening and warming up, {within_s - timing_s - opening_s:.1f} s preparing and probing, "
        f"{total_s - within_s:.1f} s starting, waiting and judging; timing adds {overhead_ns:.0f} "
        f"ns to a call ({100 * overhead_ns / p50_ns:.2g} % of the median p50 of "
        f"{p50_ns / NS_PER_MS:.3g} ms)"
    )


def _timing_ms(finished: FinishedRound) -> float:
    return sum(phase.wall_ms for phase in (finished.latency, *finished.batches))
