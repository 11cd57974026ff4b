"""Measuring many jobs in turns: all of them shortly, then those that still matter.

In each turn, a fresh process of each job is visited once, so that a machine that gets slower or
faster meanwhile does so for all alike. After a short screening, whoever chooses among the profiles
says which of them could still be chosen; the others are left alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rightfit.profiling.intervals import median_interval
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.lock import lock_path, machine_lock
from rightfit.profiling.measuring.measurement import Measurement, measure_under_load
from rightfit.profiling.measuring.measuring_cost import describe_cost
from rightfit.profiling.measuring.stopping import (
    MS_PER_S,
    is_disturbed,
    new_state,
    per_process,
    usable_rounds,
    why_settled,
)
from rightfit.profiling.profiles.jobs import Job, Store
from rightfit.profiling.worker.latency import NS_PER_MS
from rightfit.profiling.worker.process import Json

logger = logging.getLogger(__name__)

MAX_OPEN_PROCESSES = 16  # each holds its model between its visits
SCREENED = "screened"  # settled because no application could choose it

# Given the states of all jobs, returns for each whether it could still be chosen.
Choose = Callable[[Sequence[Json]], Sequence[bool]]


@dataclass(frozen=True)
class Underway:
    """A job that is measured.

    Args:
        job: The job.
        key: Name its state is kept under.
        measurement: How far it is.
    """

    job: Job
    key: str
    measurement: Measurement

    @property
    def state(self) -> Json:
        """What is known of it."""
        return self.measurement.state

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return self.measurement.is_over


def measure_jobs(
    jobs: Sequence[Job],
    bench: Bench,
    store: Store,
    context: Mapping[str, Any],
    *,
    choose: Choose,
) -> list[Json]:
    """Measure jobs until each is settled.

    The state is kept after each process; what is there already is not measured again. A job that
    was screened out before is judged anew, because the applications may have changed.

    Args:
        jobs: What to measure.
        bench: Where and how.
        store: Keeps the states.
        context: What the results depend on beside bundle and serving configuration.
        choose: Tells which jobs could still be chosen; asked after the screening and whenever a
            turn of all has brought a process to its end.

    Returns:
        The states, in the order of the jobs.
    """
    start_s = time.perf_counter()
    all_jobs = [_reopen(job, job.key(context), bench, store) for job in jobs]
    n_kept = sum(one.is_over for one in all_jobs)
    if n_kept:
        logger.info("%s: %d of %d profiles were kept from before.", jobs[0].cell, n_kept, len(jobs))
    n_rounds_before = [len(one.state["rounds"]) for one in all_jobs]
    try:
        _measure_in_turns(all_jobs, bench, store, choose)
    finally:
        for one in all_jobs:
            one.measurement.leave()
    for one in all_jobs:
        while _wants_load(one.state, bench):
            one.measurement.state = measure_under_load(one.job.subject, bench, one.state)
        store.put(one.key, one.state)
    states = [one.state for one in all_jobs]
    _log_savings(jobs, states)
    made = [r for s, n in zip(states, n_rounds_before, strict=True) for r in s["rounds"][n:]]
    if made:
        cost = describe_cost(made, total_s=time.perf_counter() - start_s)
        logger.info("%s: %s", jobs[0].cell, cost)
    return states


def _measure_in_turns(
    all_jobs: Sequence[Underway], bench: Bench, store: Store, choose: Choose
) -> None:
    is_news = True
    while not all(one.is_over for one in all_jobs):
        if is_news and all(one.is_over or _is_screened(one.state, bench) for one in all_jobs):
            _screen(all_jobs, choose)
        is_news = _take_turn(all_jobs, bench, store)


def _take_turn(all_jobs: Sequence[Underway], bench: Bench, store: Store) -> bool:
    """Visit a process of each job that is not settled; tell whether any process is done with.

    Every open process holds its model. Where there are many jobs, those that are behind come
    first, and the others wait until one has ended.
    """
    waiting = [one for one in all_jobs if not one.is_over]
    with machine_lock(lock_path()):  # imports would disturb another process' timing
        bench.pool.start(one.job.subject.kind for one in waiting)
    n_open = sum(one.measurement.process is not None for one in waiting)
    is_news = False
    for one in sorted(waiting, key=lambda one: len(one.state["rounds"])):
        was_open = one.measurement.process is not None
        if not was_open and n_open >= MAX_OPEN_PROCESSES:
            continue
        is_done = one.measurement.visit()
        n_open += (not is_done) - was_open
        if is_done:
            is_news = True
            store.put(one.key, one.state)
            _log_end(one, all_jobs, bench)
    return is_news


def saved_by_screening_s(states: Sequence[Json]) -> float:
    """Estimate the measuring time that the screened-out jobs would have taken.

    Args:
        states: States of all jobs, settled.

    Returns:
        For each screened-out job, the processes it made fewer than the others on average, at its
        own mean time per process.
    """
    refined = [len(s["rounds"]) for s in states if s["rounds"] and s["settled"] != SCREENED]
    if not refined:
        return 0.0
    n_usual = sum(refined) / len(refined)
    saved_ms = 0.0
    for state in states:
        n_made = len(state["rounds"])
        if state["settled"] == SCREENED:
            mean_ms = sum(r["total_ms"] for r in state["rounds"]) / n_made
            saved_ms += max(0.0, n_usual - n_made) * mean_ms
    return saved_ms / MS_PER_S


def _reopen(job: Job, key: str, bench: Bench, store: Store) -> Underway:
    state = store.get(key) or new_state()
    if state["settled"] == SCREENED:
        state = state | {"settled": why_settled(state, bench.settings)}
    return Underway(job, key, Measurement(job.subject, bench, state))


def _wants_load(state: Json, bench: Bench) -> bool:
    if state["error"] or state["settled"] == SCREENED:
        return False
    return len(state["server"]) < bench.settings.server.n_processes


def _is_screened(state: Json, bench: Bench) -> bool:
    return len(state["rounds"]) >= bench.settings.screening_processes


def _screen(all_jobs: Sequence[Underway], choose: Choose) -> None:
    choices = choose([one.state for one in all_jobs])
    for one, could_be_chosen in zip(all_jobs, choices, strict=True):
        if not one.is_over and not could_be_chosen:
            one.measurement.leave()
            one.measurement.state = one.state | {"settled": SCREENED}
            logger.debug("No application could choose %s.", one.job.subject.label)


def _log_savings(jobs: Sequence[Job], states: Sequence[Json]) -> None:
    n_screened = sum(state["settled"] == SCREENED for state in states)
    if n_screened:
        logger.info(
            "%s: no application could choose %d of %d profiles after a short screening; leaving "
            "them saved about %.0f s of measuring.",
            jobs[0].cell,
            n_screened,
            len(jobs),
            saved_by_screening_s(states),
        )


def _log_end(ended: Underway, all_jobs: Sequence[Underway], bench: Bench) -> None:
    job, state = ended.job, ended.state
    if not ended.is_over:
        return
    if state["error"]:
        logger.warning("%s %s (%s): %s", job.cell, job.candidate, job.serving, state["error"])
        return
    rounds = usable_rounds(state, bench.settings)
    p50 = median_interval(per_process(rounds, 0.5))
    logger.info(
        "%s %d/%d %s (%s): p50 %.3g ms ± %.0f %% from %d processes%s",
        job.cell,
        sum(one.is_over for one in all_jobs),
        len(all_jobs),
        job.candidate,
        job.serving,
        p50.value / NS_PER_MS,
        p50.half_width_pct,
        len(rounds),
        ", disturbed" if any(is_disturbed(r, state, bench.settings) for r in rounds) else "",
    )
