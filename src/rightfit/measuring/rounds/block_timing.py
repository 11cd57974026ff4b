"""Timing many jobs in blocks: all of them shortly, then those that could still be chosen.

In each block a fresh process of each job is timed, in slices of some milliseconds that alternate in
random order, so that a machine that gets slower or faster meanwhile does so for all alike. A
reference that is in every block joins them, see :mod:`rightfit.measuring.blocks`. After a short
screening, the applications that choose among the profiles say which could still be chosen; the
others are not measured further. Nothing is timed in any other way, a first comparison of many
serving configurations included.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import time
import uuid
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rightfit._core.formatting import count
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.progress import repeat_progress, report_progress
from rightfit._core.spelling import name_some
from rightfit.measuring.blocks import (
    TimedSlice,
    adjust_figures,
    estimate_slowdowns,
    name_block,
)
from rightfit.measuring.cost_classes import contradict
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.rounds.jobs import MEASUREMENT_VERSION, WHY_AGAIN, Job
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.measurement import (
    MeasurementContext,
    MeasurementTarget,
    OpenRound,
    measure_under_load,
)
from rightfit.measuring.rounds.settling import P95, find_stop_reason, usable_rounds
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind
from rightfit.measuring.worker.latency import MEDIAN
from rightfit.measuring.worker.meters.cpu import read_busy_s, read_cpu_s
from rightfit.measuring.worker.protocol import Failure
from rightfit.measuring.worker.reference import BATCH_SIZE, REFERENCE_VERSION, draw_reference_rows
from rightfit.measuring.worker.units import MS_PER_S

logger = logging.getLogger(__name__)

MAX_OPEN_PROCESSES = 16  # each holds its model between its slices
REFERENCE = "rightfit.measuring.worker.reference:open_reference"
N_REFERENCE_ROWS = 1_024
MAX_REFERENCE_ROUNDS = 300  # the last ones are kept
VERSION_KEY = "measurement_version"  # of the version that a store was last written with

# Equal for jobs that are served in one way by one graph with other weights; None: of no class.
CostClass = Hashable | None

# Given the states of all jobs, returns for each whether it could still be chosen.
Choose = Callable[[Sequence[MeasurementState]], Sequence[bool]]


@dataclass
class JobMeasurement:
    """A measurement under way.

    Args:
        subject: What is measured.
        state: What is known so far.
        save: Keeps the state.
        job: What it is of; ``None``: the reference.
        bench: Where and how, if other than the others.
        cost_class: What it shares its costs with: measurements with an equal one; ``None``: none.
    """

    subject: MeasurementTarget
    state: MeasurementState
    save: Callable[[MeasurementState], None]
    job: Job | None = None
    bench: MeasurementContext | None = None
    cost_class: CostClass = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return self.state.is_over


def measure_jobs(
    jobs: Sequence[Job],
    keys: Sequence[str],
    bench: MeasurementContext,
    store: JsonStore,
    *,
    choose: Choose,
    choosers: str = "",
    cost_classes: Sequence[CostClass] = (),
    environment_id: str = "",
    level: int = logging.INFO,
) -> list[MeasurementState]:
    """Measure jobs until each is settled.

    The state is stored after each process, and nothing is measured twice. What has failed is tried
    again, as its cause may be mended, and so is what other work disturbed in an earlier call. A job
    stays screened out as long as the same applications choose among the same jobs. Its rivals'
    figures became more certain after it was screened out; judged by them, it might come back at
    every run.

    Args:
        jobs: What to measure.
        keys: Keys their states are stored under.
        bench: Where and how.
        store: Keeps the states.
        choose: Tells which jobs could still be chosen; asked after the screening and whenever a
            process has ended.
        choosers: Fingerprint of what ``choose`` depends on beside the states.
        cost_classes: Of each job; empty: each is told by itself.
        environment_id: Fingerprint of this machine and its libraries.
        level: Of the log's lines.

    Returns:
        The states, in the order of the jobs.
    """
    if not jobs:
        return []
    start_s = time.perf_counter()
    choice = fingerprint({"choosers": choosers, "jobs": sorted(keys)})
    reference = _open_reference(bench, store, environment_id)
    _note_version(store, reference)
    all_jobs, records, n_again = [], [], 0
    classes = cost_classes or [None] * len(jobs)
    for job, key, cost_class in zip(jobs, keys, classes, strict=True):
        record = store.get_record(key, MeasurementState) or MeasurementState()
        records.append(record)
        state = replace(record, error=None)
        if state.settled == "screened" and state.screened_for != choice:
            state = replace(state, settled=None, screened_for="")
        if _is_disturbed(state):
            clean = tuple(one for one in state.rounds if not one.is_disturbed)
            state = replace(state, rounds=clean, settled=None, screened_for="")
            n_again += 1
        save = functools.partial(store.put_record, key)
        all_jobs.append(
            JobMeasurement(job.subject, state, save=save, job=job, cost_class=cost_class)
        )
    _settle(all_jobs, reference, bench)
    scope_name = _name_scope(jobs)
    if n_again:
        logger.log(
            level,
            "%s: %s measured beside other work %s measured again",
            scope_name,
            count(n_again, "profile"),
            "is" if n_again == 1 else "are",
        )
    n_kept = sum(measurement.is_over for measurement in all_jobs)
    if n_kept:
        logger.log(level, "%s: %d of %d profiles kept", scope_name, n_kept, len(jobs))
    for measurement in all_jobs:
        if not measurement.is_over or _wants_load(measurement.state, bench):
            _prepare(measurement)
    n_rounds_before = [len(measurement.state.rounds) for measurement in all_jobs]
    _measure_in_blocks(all_jobs, reference, bench, choose, choice)
    for measurement, record in zip(all_jobs, records, strict=True):
        while _wants_load(measurement.state, bench):
            _report([measurement], all_jobs)
            measurement.state = measure_under_load(measurement.subject, bench, measurement.state)
        if measurement.state != record:
            measurement.save(measurement.state)
    states = [measurement.state for measurement in all_jobs]
    new_rounds = [r for s, n in zip(states, n_rounds_before, strict=True) for r in s.rounds[n:]]
    if new_rounds:
        total_s = time.perf_counter() - start_s
        logger.log(level, "%s: %s in %.0f s", scope_name, count(len(states), "profile"), total_s)
        n_screened = sum(state.settled == "screened" for state in states)
        if n_screened:
            logger.debug(
                "%s: no application could choose %d of %d profiles after a short screening.",
                scope_name,
                n_screened,
                len(states),
            )
        logger.debug("%s: %s", scope_name, describe_cost(new_rounds, total_s=total_s))
    return states


def _is_disturbed(state: MeasurementState) -> bool:
    """Tell whether a measurement is over, but rests on rounds that other work disturbed."""
    rounds = usable_rounds(state.rounds)
    return state.settled is not None and any(one.is_disturbed for one in rounds)


def _note_version(store: JsonStore, reference: JobMeasurement) -> None:
    """Note a store's version; where it holds earlier measurements, say why they are made again.

    A store without a version is an earlier one if the reference was timed for it.
    """
    noted = store.get(VERSION_KEY)
    if noted is not None and noted["version"] >= MEASUREMENT_VERSION:
        return
    if noted is not None or reference.state.rounds:
        logger.info("Stored profiles are measured again: %s", WHY_AGAIN)
    store.put(VERSION_KEY, {"version": MEASUREMENT_VERSION})


def reference_key(environment_id: str) -> str:
    """Return the key under which a store keeps the reference's rounds on a machine."""
    return f"reference-{REFERENCE_VERSION}-{environment_id}"


def read_reference(
    store: JsonStore, environment_id: str, blocks: Collection[str]
) -> MeasurementState:
    """Return the reference's rounds up to the last of some blocks.

    Later runs do not change what was told of earlier ones.
    """
    return end_with(store.get_record(reference_key(environment_id), MeasurementState), blocks)


def end_with(reference: MeasurementState | None, blocks: Collection[str]) -> MeasurementState:
    """Return the reference's rounds up to the last of some blocks; none of an unknown one."""
    rounds = reference.rounds if reference else ()
    last = max((i for i, one in enumerate(rounds) if one.block in blocks), default=-1)
    return MeasurementState(rounds=rounds[: last + 1])


def _open_reference(
    bench: MeasurementContext, store: JsonStore, environment_id: str
) -> JobMeasurement:
    """Return the measurement of the reference, with the rounds of earlier runs."""
    rows = bench.folder / "reference.npy"
    np.save(rows, draw_reference_rows(N_REFERENCE_ROWS))
    kind = WorkerKind(("numpy.random",), 1)  # draws its weights
    subject = MeasurementTarget("the reference", kind, REFERENCE, {}, rows)
    # its calls tell the speed for every metric: of batches it takes the fewest that there are
    fewest = {"batch_sizes": (BATCH_SIZE,), "batch_min_ms": bench.settings.slice_ms}
    settings = bench.settings.model_copy(update=fewest)
    key = reference_key(environment_id)

    def save(state: MeasurementState) -> None:
        store.put_record(key, replace(state, rounds=state.rounds[-MAX_REFERENCE_ROUNDS:]))

    return JobMeasurement(
        subject,
        store.get_record(key, MeasurementState) or MeasurementState(),
        save=save,
        bench=replace(bench, settings=settings),
    )


def _name_scope(jobs: Sequence[Job]) -> str:
    """Return the cell that all jobs are of; where they are of several, their dataset."""
    cells = {job.cell for job in jobs}
    return cells.pop() if len(cells) == 1 else cells.pop().partition(".")[0]


def _prepare(measurement: JobMeasurement) -> None:
    try:
        if measurement.job is not None:
            measurement.job.prepare()
    except ValueError as err:  # a model that cannot be joined with its encoder
        measurement.state = replace(measurement.state, error=str(err))


def _measure_in_blocks(
    all_jobs: Sequence[JobMeasurement],
    reference: JobMeasurement,
    bench: MeasurementContext,
    choose: Choose,
    choice: str,
) -> None:
    """Time all that are not settled, a fresh process of each in turn, in groups drawn anew."""
    n_first, number = bench.settings.screening_processes, 0
    rng = np.random.default_rng(0)
    run = uuid.uuid4().hex[:8]
    while waiting := [one for one in all_jobs if not one.is_over]:
        with machine_lock():  # imports would disturb another process' timing
            bench.pool.start(
                (one.subject.kind for one in waiting), limit_s=bench.settings.answer_max_s
            )
        waiting = [waiting[position] for position in rng.permutation(len(waiting))]
        n_groups = math.ceil(len(waiting) / MAX_OPEN_PROCESSES)
        for group in (waiting[start::n_groups] for start in range(n_groups)):
            _report(group, all_jobs)
            time_block([*group, reference], bench, block=name_block(run, number), rng=rng)
            number += 1
            for one in [*group, reference]:
                one.save(one.state)
        _settle(all_jobs, reference, bench)
        if all(one.is_over or len(one.state.rounds) >= n_first for one in all_jobs):
            choices = choose([one.state for one in all_jobs])
            for one, could_be_chosen in zip(all_jobs, choices, strict=True):
                if not one.is_over and not could_be_chosen:
                    one.state = replace(one.state, settled="screened", screened_for=choice)
                    logger.debug("No application could choose %s.", one.subject.label)


def time_block(
    measurements: Sequence[JobMeasurement],
    bench: MeasurementContext,
    *,
    block: str,
    rng: np.random.Generator,
) -> None:
    """Time a fresh process of each measurement, their slices in random order.

    Args:
        measurements: One more round is added to the state of each, or its error; nothing to one
            that is lost with a worker that another one has killed.
        bench: Where and how.
        block: Name of this stretch of time.
        rng: Draws the order.
    """
    opened: list[tuple[JobMeasurement, OpenRound]] = []
    with machine_lock():
        try:
            for one in measurements:
                repeat_progress()
                process = OpenRound(one.subject, one.bench or bench, one.state)
                opened.append((one, process))  # at once: it is left whatever happens to the next
            slices: list[tuple[int, int | None]] = []
            for number, (_, process) in enumerate(opened):
                for batch_size, n_slices in process.count_slices().items():
                    slices += [(number, batch_size)] * n_slices
            before = _read_others(opened)
            timed: list[TimedSlice] = []
            for position in rng.permutation(len(slices)):
                number, batch_size = slices[position]
                call_ns = opened[number][1].time_slice(batch_size)
                if call_ns is not None:
                    timed.append(TimedSlice(number, batch_size, call_ns))
                repeat_progress()  # between two slices, so that it disturbs none
            after = _read_others(opened)
            others_cores = None
            if before is not None and after is not None and after[0] > before[0]:
                others_cores = max(0.0, (after[1] - before[1]) / (after[0] - before[0]))
            slowdowns = estimate_slowdowns(timed)
            for number in range(len(opened)):
                one, process = opened.pop(0)
                finished = process.finish(
                    block=block,
                    others_cores=others_cores,
                    slowdowns={
                        size: found for (owner, size), found in slowdowns.items() if owner == number
                    },
                )
                if isinstance(finished, Failure):
                    one.state = replace(one.state, error=finished.error)
                    logger.warning("%s: %s", one.subject.label, finished.error)
                elif finished is not None:
                    one.state = replace(one.state, rounds=(*one.state.rounds, finished))
        finally:
            for _, process in opened:
                process.leave()


def _read_others(
    opened: Sequence[tuple[JobMeasurement, OpenRound]],
) -> tuple[float, float] | None:
    """Return a clock and the seconds in which others used cores, if it is known.

    Others are neither these nor this process, which works between their slices.
    """
    busy_s, now_s = read_busy_s(), time.monotonic()
    pids = [os.getpid(), *(process.pid for _, process in opened)]
    return None if busy_s is None else (now_s, busy_s - read_cpu_s(filter(None, pids)))


def _settle(
    all_jobs: Sequence[JobMeasurement], reference: JobMeasurement, bench: MeasurementContext
) -> None:
    """Judge which measurements are precise enough, relative to each other.

    The samples of a cost class serve each of its members that was screened, unless they contradict
    each other.
    """
    speed = read_percentile(reference.state, MEDIAN)
    adjusted = {
        share: adjust_figures([read_percentile(one.state, share) for one in all_jobs], speed)
        for share in (MEDIAN, P95)
    }
    for members in _group_by_class(all_jobs):
        is_one_cost = not contradict([list(adjusted[MEDIAN][mate].values()) for mate in members])
        for number in members:
            one = all_jobs[number]
            if one.is_over:
                continue
            is_checked = len(one.state.rounds) >= bench.settings.screening_processes
            sharing = members if is_one_cost and is_checked else [number]
            known = {
                share: [ns for mate in sharing for ns in figures[mate].values()]
                for share, figures in adjusted.items()
            }
            rounds = [r for mate in sharing for r in all_jobs[mate].state.rounds]
            state = replace(one.state, rounds=tuple(rounds))
            one.state = replace(one.state, settled=find_stop_reason(state, bench.settings, known))


def _group_by_class(all_jobs: Sequence[JobMeasurement]) -> list[list[int]]:
    """Return the numbers of the measurements that have rounds, those of a cost class together."""
    members: dict[object, list[int]] = {}
    for number, one in enumerate(all_jobs):
        if one.state.rounds and one.state.error is None:
            key = number if one.cost_class is None else ("class", one.cost_class)
            members.setdefault(key, []).append(number)
    return list(members.values())


def read_percentile(state: MeasurementState, share: float) -> dict[str, float]:
    """Return a latency percentile in ns of each round that counts, by block."""
    found = {one.block: one.percentiles_ns[share] for one in usable_rounds(state.rounds)}
    return {block: value for block, value in found.items() if value is not None}


def _report(group: Sequence[JobMeasurement], all_jobs: Sequence[JobMeasurement]) -> None:
    """Report the jobs that are timed next."""
    n_over = sum(one.is_over for one in all_jobs)
    names = [one.subject.label for one in group]
    report_progress("measuring", name_some(names, n_shown=1), n_over, len(all_jobs))


def _wants_load(state: MeasurementState, bench: MeasurementContext) -> bool:
    return not state.wants_no_more and len(state.server) < bench.settings.server.n_processes


def describe_cost(rounds: Sequence[FinishedRound], *, total_s: float) -> str:
    """Describe where the time of some measuring processes went.

    Args:
        rounds: The processes' results, at least one.
        total_s: Wall time of all of it: processes, waiting for others, judging quality.

    Returns:
        One sentence.
    """
    timed = (phase for r in rounds for phase in (r.latency, *r.batches))
    timing_s = sum(phase.wall_ms for phase in timed) / MS_PER_S
    within_s = sum(r.total_ms for r in rounds) / MS_PER_S
    return (
        f"{count(len(rounds), 'process', 'processes')} took {total_s:.1f} s: "
        f"{timing_s:.1f} s timing, "
        f"{within_s - timing_s:.1f} s opening, warming up and preparing, "
        f"{total_s - within_s:.1f} s starting, waiting and judging"
    )
