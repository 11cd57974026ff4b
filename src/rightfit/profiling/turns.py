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

from rightfit.profiling.bench import Bench
from rightfit.profiling.cost import describe_cost
from rightfit.profiling.intervals import median_interval
from rightfit.profiling.jobs import Job, Store
from rightfit.profiling.latency import NS_PER_MS
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.measurement import add_round, measure_under_load
from rightfit.profiling.rounds import Round
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


@dataclass
class Measured:
    """A job under way.

    Args:
        job: What is measured.
        key: Name its state is kept under.
        state: What is known of it.
        process: The process that is open, ``None`` between two of them.
    """

    job: Job
    key: str
    state: Json
    process: Round | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return is_over(self.state)

    def visit(self, bench: Bench) -> bool:
        """Visit the open process, a fresh one if none is; tell whether it is done with."""
        process = self.process or Round(self.job.subject, bench, self.state)
        finished = process.visit()
        self.process = process if finished is None else None
        if finished is not None:
            self.state = add_round(self.state, finished, bench.settings)
        return finished is not None

    def leave_alone(self) -> None:
        """Measure no more of it: no application could choose it."""
        self.state = self.state | {"settled": SCREENED}
        if self.process is not None:
            self.process.leave()
            self.process = None
        logger.debug("No application could choose %s.", self.job.subject.label)


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
    measured = [_reopen(job, job.key(context), store, bench) for job in jobs]
    n_kept = sum(m.is_over for m in measured)
    if n_kept:
        logger.info("%s: %d of %d profiles were kept from before.", jobs[0].cell, n_kept, len(jobs))
    n_rounds_before = [len(m.state["rounds"]) for m in measured]
    while not all(m.is_over for m in measured):
        if all(m.is_over or _is_screened(m.state, bench) for m in measured):
            _screen(measured, choose)
        _take_turn(measured, bench, store)
    for m in measured:
        while _wants_load(m.state, bench):
            m.state = measure_under_load(m.job.subject, bench, m.state)
        store.put(m.key, m.state)
    states = [m.state for m in measured]
    _log_savings(jobs, states)
    made = [r for s, n in zip(states, n_rounds_before, strict=True) for r in s["rounds"][n:]]
    if made:
        cost = describe_cost(made, total_s=time.perf_counter() - start_s)
        logger.info("%s: %s", jobs[0].cell, cost)
    return states


def _take_turn(measured: Sequence[Measured], bench: Bench, store: Store) -> None:
    """Visit a process of each job that is not settled."""
    waiting = [m for m in measured if not m.is_over]
    with machine_lock(lock_path()):  # imports would disturb another process' timing
        bench.pool.start(m.job.subject.kind for m in waiting)
    for m in waiting:
        if m.visit(bench):
            store.put(m.key, m.state)
            _log_end(m, measured, bench)


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


def _reopen(job: Job, key: str, store: Store, bench: Bench) -> Measured:
    state = store.get(key) or new_state()
    if state["settled"] == SCREENED:
        state = state | {"settled": why_settled(state, bench.settings)}
    return Measured(job, key, state)


def _wants_load(state: Json, bench: Bench) -> bool:
    if state["error"] or state["settled"] == SCREENED:
        return False
    return len(state["server"]) < bench.settings.server.n_processes


def _is_screened(state: Json, bench: Bench) -> bool:
    return len(state["rounds"]) >= bench.settings.screening_processes


def _screen(measured: Sequence[Measured], choose: Choose) -> None:
    choices = choose([m.state for m in measured])
    for m, could_be_chosen in zip(measured, choices, strict=True):
        if not m.is_over and not could_be_chosen:
            m.leave_alone()


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


def _log_end(ended: Measured, measured: Sequence[Measured], bench: Bench) -> None:
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
        sum(m.is_over for m in measured),
        len(measured),
        job.candidate,
        job.serving,
        p50.value / NS_PER_MS,
        p50.half_width_pct,
        len(rounds),
        ", disturbed" if any(is_disturbed(r, state, bench.settings) for r in rounds) else "",
    )
