"""Measuring many jobs in turns: all of them shortly, then those that still matter.

In turns, one fresh process each, so that a machine that gets slower or faster meanwhile does so
for all alike. After a short screening, whoever chooses among the profiles says which of them could
still be chosen; the others are left alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rightfit.profiling.cost import describe_cost
from rightfit.profiling.intervals import median_interval
from rightfit.profiling.jobs import Job, Store
from rightfit.profiling.latency import NS_PER_MS
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.measurement import Bench, measure_round, measure_under_load
from rightfit.profiling.stopping import (
    MS_PER_S,
    is_disturbed,
    new_state,
    per_process,
    usable_rounds,
    why_settled,
)
from rightfit.profiling.worker import Json

logger = logging.getLogger(__name__)

SCREENED = "screened"  # settled because no application could choose it

# Given the states of all jobs, returns for each whether it could still be chosen.
Choose = Callable[[Sequence[Json]], Sequence[bool]]


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
        choose: Tells which jobs could still be chosen; asked after the screening and after every
            turn of all.

    Returns:
        The states, in the order of the jobs.
    """
    start_s = time.perf_counter()
    keys = [job.key(context) for job in jobs]
    states = [_reopen(store.get(key) or new_state(), bench) for key in keys]
    n_kept = sum(is_over(state) for state in states)
    if n_kept:
        logger.info("%s: %d of %d profiles were kept from before.", jobs[0].cell, n_kept, len(jobs))
    n_rounds_before = [len(state["rounds"]) for state in states]
    while True:
        if all(is_over(state) or _is_screened(state, bench) for state in states):
            _leave_alone(jobs, states, choose(states))
        if not _take_turn(jobs, states, bench, lambda i: store.put(keys[i], states[i])):
            break
    for i, job in enumerate(jobs):
        while _wants_load(states[i], bench):
            states[i] = measure_under_load(job.subject, bench, states[i])
        store.put(keys[i], states[i])
    _log_savings(jobs, states)
    made = [r for s, n in zip(states, n_rounds_before, strict=True) for r in s["rounds"][n:]]
    if made:
        cost = describe_cost(made, total_s=time.perf_counter() - start_s)
        logger.info("%s: %s", jobs[0].cell, cost)
    return states


def _take_turn(
    jobs: Sequence[Job], states: list[Json], bench: Bench, keep: Callable[[int], None]
) -> bool:
    """Measure each job that is not settled in one more process; tell whether there was any."""
    waiting = [i for i, state in enumerate(states) if not is_over(state)]
    if not waiting:
        return False
    with machine_lock(lock_path()):  # imports would disturb another process' timing
        bench.pool.start(jobs[i].subject.kind for i in waiting)
    for i in waiting:
        states[i] = measure_round(jobs[i].subject, bench, states[i])
        keep(i)
        _log_end(jobs[i], states, i, bench)
    return True


def is_over(state: Json) -> bool:
    """Tell whether nothing more is to be measured."""
    return state["settled"] is not None or state["error"] is not None


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


def _reopen(state: Json, bench: Bench) -> Json:
    if state["settled"] != SCREENED:
        return state
    return state | {"settled": why_settled(state, bench.settings)}


def _wants_load(state: Json, bench: Bench) -> bool:
    if state["error"] or state["settled"] == SCREENED:
        return False
    return len(state["server"]) < bench.settings.server.n_processes


def _is_screened(state: Json, bench: Bench) -> bool:
    return len(state["rounds"]) >= bench.settings.screening_processes


def _leave_alone(jobs: Sequence[Job], states: list[Json], choices: Sequence[bool]) -> None:
    for i, (job, could_be_chosen) in enumerate(zip(jobs, choices, strict=True)):
        if not is_over(states[i]) and not could_be_chosen:
            states[i] = states[i] | {"settled": SCREENED}
            logger.debug("No application could choose %s.", job.subject.label)


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


def _log_end(job: Job, states: Sequence[Json], position: int, bench: Bench) -> None:
    state = states[position]
    if not is_over(state):
        return
    if state["error"]:
        logger.warning("%s %s (%s): %s", job.cell, job.candidate, job.serving, state["error"])
        return
    rounds = usable_rounds(state, bench.settings)
    p50 = median_interval(per_process(rounds, 0.5))
    logger.info(
        "%s %d/%d %s (%s): p50 %.3g ms ± %.0f %% from %d processes%s",
        job.cell,
        sum(is_over(state) for state in states),
        len(states),
        job.candidate,
        job.serving,
        p50.value / NS_PER_MS,
        p50.half_width_pct,
        len(rounds),
        ", disturbed" if any(is_disturbed(r, state, bench.settings) for r in rounds) else "",
    )
