"""Measuring many jobs in turns: all of them shortly, then those that still matter.

In each turn, which is a time block, a process of each job is timed once, so that a machine that
gets slower or faster meanwhile does so for all alike. After a short screening, the applications
that choose among the profiles say which could still be chosen; the others are not measured further.
"""

from __future__ import annotations

import functools
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rightfit._core.formatting import count
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.spelling import name_some
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.intervals import estimate_median
from rightfit.measuring.rounds.jobs import Job
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.measurement import (
    Bench,
    Measurement,
    measure_under_load,
    wait_for_quiet,
)
from rightfit.measuring.rounds.settling import (
    is_disturbed,
    per_process,
    usable_rounds,
    why_settled,
)
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_MS

logger = logging.getLogger(__name__)

MAX_OPEN_PROCESSES = 16  # each holds its model between its timing windows

# Given the states of all jobs, returns for each whether it could still be chosen.
Choose = Callable[[Sequence[MeasurementState]], Sequence[bool]]


@dataclass(kw_only=True)
class JobMeasurement(Measurement):
    """The measurement of a job, under way."""

    job: Job


def measure_jobs(
    jobs: Sequence[Job],
    keys: Sequence[str],
    bench: Bench,
    store: JsonStore,
    *,
    choose: Choose,
    needs_more: Choose = lambda states: [False] * len(states),
    choosers: str = "",
    level: int = logging.INFO,
) -> list[MeasurementState]:
    """Measure jobs until each is settled.

    The state is stored after each process, and nothing is measured twice; what has failed is tried
    again, as its cause may be mended. A job stays screened out as long as the same applications
    choose among the same jobs. Its rivals' figures became more certain after it was screened out;
    judged by them, it might come back at every run.

    Args:
        jobs: What to measure.
        keys: Keys their states are stored under.
        bench: Where and how.
        store: Keeps the states.
        choose: Tells which jobs could still be chosen; asked after the screening and whenever a
            process has ended.
        needs_more: Tells which jobs need extra processes though they are over; asked at the end.
        choosers: Fingerprint of what ``choose`` depends on beside the states.
        level: Of the log's lines.

    Returns:
        The states, in the order of the jobs.
    """
    if not jobs:
        return []
    start_s = time.perf_counter()
    choice = fingerprint({"choosers": choosers, "jobs": sorted(keys)})
    all_jobs = []
    for job, key in zip(jobs, keys, strict=True):
        kept = store.get_record(key, MeasurementState) or MeasurementState()
        state = replace(kept, error=None)
        if state.settled == "screened" and state.screened_for != choice:
            state = replace(state, settled=why_settled(state, bench.settings), screened_for="")
        save = functools.partial(store.put_record, key)
        all_jobs.append(JobMeasurement(job.subject, bench, state, save=save, job=job))
    what = _name_scope(jobs)
    n_kept = sum(one.is_over for one in all_jobs)
    if n_kept:
        logger.log(level, "%s: %d of %d profiles kept", what, n_kept, len(jobs))
    for one in all_jobs:
        if not one.is_over or _wants_load(one.state, bench):
            _prepare(one)
    n_rounds_before = [len(one.state.rounds) for one in all_jobs]
    try:
        _measure_in_turns(all_jobs, bench, choose, choice)
        _remeasure(all_jobs, bench, needs_more, level)
    finally:
        for one in all_jobs:
            one.leave()
    for one in all_jobs:
        while _wants_load(one.state, bench):
            one.state = measure_under_load(one.subject, bench, one.state)
        one.save(one.state)
    states = [one.state for one in all_jobs]
    made = [r for s, n in zip(states, n_rounds_before, strict=True) for r in s.rounds[n:]]
    if made:
        total_s = time.perf_counter() - start_s
        n_disturbed = sum(
            any(is_disturbed(one, state.rounds, bench.settings) for one in state.rounds)
            for state in states
        )
        more = f", {n_disturbed} disturbed" if n_disturbed else ""
        logger.log(level, "%s: %d profiles in %.0f s%s", what, len(states), total_s, more)
        n_screened = sum(state.settled == "screened" for state in states)
        if n_screened:
            logger.debug(
                "%s: no application could choose %d of %d profiles after a short screening.",
                *(what, n_screened, len(states)),
            )
        logger.debug("%s: %s", what, describe_cost(made, total_s=total_s))
    return states


def _name_scope(jobs: Sequence[Job]) -> str:
    """Return the cell that all jobs are of; where they are of several, their dataset."""
    cells = {job.cell for job in jobs}
    return cells.pop() if len(cells) == 1 else cells.pop().partition(".")[0]


def _prepare(one: JobMeasurement) -> None:
    try:
        one.job.prepare()
    except ValueError as err:  # a model that cannot be joined with its encoder
        one.state = replace(one.state, error=str(err))


def _measure_in_turns(
    all_jobs: Sequence[JobMeasurement], bench: Bench, choose: Choose, choice: str
) -> None:
    is_news, n_first = True, bench.settings.screening_processes
    while not all(one.is_over for one in all_jobs):
        if is_news and all(one.is_over or len(one.state.rounds) >= n_first for one in all_jobs):
            choices = choose([one.state for one in all_jobs])
            for one, could_be_chosen in zip(all_jobs, choices, strict=True):
                if not one.is_over and not could_be_chosen:
                    one.leave()
                    one.state = replace(one.state, settled="screened", screened_for=choice)
                    logger.debug("No application could choose %s.", one.subject.label)
        is_news = _take_turn(all_jobs, bench)


def _remeasure(
    all_jobs: Sequence[JobMeasurement], bench: Bench, needs_more: Choose, level: int
) -> None:
    """Measure a few processes more of jobs that could be chosen though they are disturbed.

    Why their measurements were over stays as it was: clean rounds only replace disturbed ones.
    """
    what, settings = _name_scope([one.job for one in all_jobs]), bench.settings
    if not settings.max_extra_processes:
        return
    for number in range(settings.max_extra_processes):
        wanted = needs_more([one.state for one in all_jobs])
        due = [
            one
            for one, is_wanted in zip(all_jobs, wanted, strict=True)
            if is_wanted and not one.state.wants_no_more
        ]
        if number == 0 and due:
            logger.log(
                level,
                "%s: other work disturbed %s that could be chosen: measuring them again",
                *(what, count(len(due), "profile")),
            )
            wait_for_quiet(settings)
        for one in due:
            _prepare(one)
            settled = one.state.settled
            while one.state.error is None and not one.time_window():
                pass
            one.state = replace(one.state, settled=settled)
        rounds = [one.state.rounds for one in due]
        if all(is_disturbed(one[-1], one, settings) for one in rounds if one):
            break  # none is left to do, or the machine is as busy as before
    left = needs_more([one.state for one in all_jobs])
    if any(left):
        named = [
            f"{one.job.candidate} ({one.job.serving})"
            for one, is_left in zip(all_jobs, left, strict=True)
            if is_left
        ]
        logger.log(
            logging.WARNING if level >= logging.INFO else level,
            "%s: still disturbed, though they could be chosen: %s",
            *(what, name_some(named, n_shown=4)),
        )


def _take_turn(all_jobs: Sequence[JobMeasurement], bench: Bench) -> bool:
    """Time a process of each job that is not settled; tell whether any process has ended.

    Every open process holds its model. Where there are many jobs, those that are behind come
    first, and the others wait until one has ended. Once one has waited for a quiet machine in vain,
    the others do not.
    """
    waiting = [one for one in all_jobs if not one.is_over]
    with machine_lock():  # imports would disturb another process' timing
        bench.pool.start((one.subject.kind for one in waiting), limit_s=bench.settings.answer_max_s)
    n_open = sum(one.process is not None for one in waiting)
    is_news = False
    for one in sorted(waiting, key=lambda one: len(one.state.rounds)):
        was_open = one.process is not None
        if not was_open and n_open >= MAX_OPEN_PROCESSES:
            continue
        has_ended = one.time_window()
        n_open += (not has_ended) - was_open
        is_news |= has_ended
        if one.state.is_noisy:
            for other in waiting:
                other.state = replace(other.state, is_noisy=True)
        if one.state.error is not None:
            logger.warning("%s: %s", one.subject.label, one.state.error)
        elif one.is_over:
            rounds = usable_rounds(one.state.rounds, bench.settings)
            p50 = estimate_median(per_process(rounds, 0.5))
            is_marked = any(is_disturbed(r, one.state.rounds, bench.settings) for r in rounds)
            logger.debug(
                "%s %d/%d %s (%s): p50 %.3g ms ± %.0f %% from %d processes%s",
                one.job.cell,
                sum(other.is_over for other in all_jobs),
                len(all_jobs),
                one.job.candidate,
                one.job.serving,
                p50.value / NS_PER_MS,
                p50.half_width_pct,
                len(rounds),
                ", disturbed" if is_marked else "",
            )
    return is_news


def _wants_load(state: MeasurementState, bench: Bench) -> bool:
    return not state.wants_no_more and len(state.server) < bench.settings.server.n_processes


def describe_cost(rounds: Sequence[FinishedRound], *, total_s: float) -> str:
    """Describe where the time of some measuring processes went, and what timing adds to a call.

    Args:
        rounds: The processes' results, at least one.
        total_s: Wall time of all of it: processes, waiting for others, judging quality.

    Returns:
        One sentence.
    """
    timed = (phase for r in rounds for phase in (r.latency, *r.batches))
    timing_s = sum(phase.wall_ms for phase in timed) / MS_PER_S
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
