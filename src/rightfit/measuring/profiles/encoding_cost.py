"""What encoding takes of a request: the whole request against the same model on encoded rows."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from dataclasses import replace

from rightfit._core.processes.json_store import JsonStore
from rightfit.data.request_path import MODEL
from rightfit.measuring.blocks import adjust_figures
from rightfit.measuring.rounds.block_timing import measure_jobs, read_percentile, read_reference
from rightfit.measuring.rounds.jobs import CandidateSet, Job
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.worker.latency import MEDIAN
from rightfit.measuring.worker.units import NS_PER_MS

CHOOSERS = "encoding"


def measure_encoding_ms(
    candidate_set: CandidateSet,
    jobs: Sequence[Job],
    states: Sequence[MeasurementState],
    bench: MeasurementContext,
    *,
    store: JsonStore,
    is_wanted: Sequence[bool],
) -> list[float | None]:
    """Measure what encoding takes of each job's median latency.

    For each candidate and runtime, the wanted job of the fewest threads is compared: encoding uses
    one, however many the model does. Its model is measured on encoded rows, in half as many
    processes as the screening takes and without larger batches, unless the jobs hold it anyway.

    Args:
        candidate_set: Candidates and what belongs to them.
        jobs: What was measured.
        states: Their measurements.
        bench: Where and how.
        store: Keeps the measurements.
        is_wanted: Which jobs are worth it.

    Returns:
        Milliseconds, ``None`` where nothing is encoded or nothing was compared.
    """
    has_encoding = [
        job.requests is not None and is_one and state.error is None
        for job, state, is_one in zip(jobs, states, is_wanted, strict=True)
    ]
    states_by_job = {_identify(job): state for job, state in zip(jobs, states, strict=True)}
    compared: dict[tuple[str, ...], Job] = {}
    for job, is_one in zip(jobs, has_encoding, strict=True):
        group = _group(job)
        if is_one and job.serving.n_threads <= compared.get(group, job).serving.n_threads:
            compared[group] = job
    twins = {
        group: replace(
            job,
            cell=f"{job.cell} on encoded rows",
            serving=replace(job.serving, request_path=MODEL),
            requests=None,
        )
        for group, job in compared.items()
    }
    missing = [twin for twin in twins.values() if _identify(twin) not in states_by_job]
    if missing:
        changes = {
            "screening_processes": (bench.settings.screening_processes + 1) // 2,
            "batch_sizes": bench.settings.batch_sizes[:1],
        }
        short = replace(bench, settings=bench.settings.model_copy(update=changes))
        twin_states = measure_jobs(
            missing,
            [candidate_set.key(job, short.settings) for job in missing],
            short,
            store,
            choose=lambda states: [False] * len(states),
            choosers=CHOOSERS,
            environment_id=candidate_set.environment_id,
            level=logging.DEBUG,
        )
        states_by_job |= {
            _identify(twin): state for twin, state in zip(missing, twin_states, strict=True)
        }
    found_ms: dict[tuple[str, ...], float] = {}
    pairs = [
        states_by_job[_identify(state)]
        for group, job in compared.items()
        for state in (job, twins[group])
    ]
    blocks = {one.block for state in pairs for one in state.rounds}
    adjusted_ns = adjust_figures(
        [read_percentile(state, MEDIAN) for state in pairs],
        read_percentile(read_reference(store, candidate_set.environment_id, blocks), MEDIAN),
    )
    for group, whole, model in zip(compared, adjusted_ns[::2], adjusted_ns[1::2], strict=True):
        if whole and model:
            whole_ns, model_ns = (statistics.median(state.values()) for state in (whole, model))
            found_ms[group] = max(0.0, whole_ns - model_ns) / NS_PER_MS
    return [
        found_ms.get(_group(job)) if is_one else None
        for job, is_one in zip(jobs, has_encoding, strict=True)
    ]


def _identify(job: Job) -> tuple[str, object]:
    return job.candidate, job.serving


def _group(job: Job) -> tuple[str, ...]:
    return job.candidate, job.serving.runtime, job.serving.device
