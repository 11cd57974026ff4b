"""What encoding takes of a request: the whole request against the same model on encoded rows."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.jobs import Job, Serving
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import MeasurementState, Store
from rightfit.profiling.measuring.stopping import per_process, usable_rounds
from rightfit.profiling.measuring.turns import measure_jobs
from rightfit.profiling.worker.units import NS_PER_MS
from rightfit.request_path.paths import MODEL

CHOOSERS = "encoding"
Twin = tuple[str, Serving]


def measure_encoding_ms(
    jobs: Sequence[Job],
    states: Sequence[MeasurementState],
    bench: Bench,
    store: Store,
    *,
    make_key: Callable[[Job], str],
) -> list[float | None]:
    """Measure what encoding takes of each job's median latency.

    Only those that could be chosen are compared. Their models are measured on encoded rows as
    shortly as the screening is, unless the jobs hold them anyway.

    Args:
        jobs: What was measured.
        states: Their measurements.
        bench: Where and how.
        store: Keeps the measurements.
        make_key: Returns the key that a job's measurement is stored under.

    Returns:
        Milliseconds, ``None`` where nothing is encoded or nothing was compared.
    """
    known = {(job.candidate, job.serving): state for job, state in zip(jobs, states, strict=True)}
    compared = [
        _without_encoder(job)
        for job, state in zip(jobs, states, strict=True)
        if job.requests is not None and not state.wants_no_more
    ]
    missing = [job for job in compared if (job.candidate, job.serving) not in known]
    if missing:
        measured = measure_jobs(
            missing,
            [make_key(job) for job in missing],
            bench,
            store,
            choose=lambda found: [False] * len(found),
            choosers=CHOOSERS,
        )
        known |= {
            (job.candidate, job.serving): state
            for job, state in zip(missing, measured, strict=True)
        }
    return [
        _compare(job, state, known, bench.settings) for job, state in zip(jobs, states, strict=True)
    ]


def _without_encoder(job: Job) -> Job:
    return replace(job, serving=replace(job.serving, request_path=MODEL), requests=None)


def _compare(
    job: Job,
    state: MeasurementState,
    known: Mapping[Twin, MeasurementState],
    settings: MeasuringSettings,
) -> float | None:
    twin = _without_encoder(job)
    without = known.get((twin.candidate, twin.serving))
    if job.requests is None or without is None or not (state.rounds and without.rounds):
        return None
    whole_ns, model_ns = (_median_ns(one, settings) for one in (state, without))
    return max(0.0, whole_ns - model_ns) / NS_PER_MS


def _median_ns(state: MeasurementState, settings: MeasuringSettings) -> float:
    return statistics.median(per_process(usable_rounds(state.rounds, settings), 0.5))
