"""Measuring many candidates under many serving configurations, in turns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rightfit.models.bundle import Bundle
from rightfit.models.families import get_family
from rightfit.models.runtimes import runtime_imports
from rightfit.profiling.environment import fingerprint
from rightfit.profiling.intervals import median_interval
from rightfit.profiling.latency import NS_PER_MS
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.measurement import (
    Bench,
    Subject,
    is_disturbed,
    measure_round,
    new_state,
    per_process,
    usable_rounds,
)
from rightfit.profiling.worker import Json
from rightfit.profiling.workers import WorkerKind

logger = logging.getLogger(__name__)

# Raise it when the meaning of stored measurements changes: older ones are then measured again.
MEASUREMENT_VERSION = 2
OPEN_BUNDLE = "rightfit.profiling.worker:open_bundle"


class Store(Protocol):
    """Where results are kept as soon as they are there."""

    def get(self, key: str) -> Json | None:
        """Return what was put under a key."""

    def put(self, key: str, document: Json) -> None:
        """Keep a document."""


@dataclass(frozen=True)
class Serving:
    """A way to serve a candidate; the batch size is found by measuring.

    Args:
        runtime: ``native`` or ``onnx``.
        n_threads: Threads, and cores it runs on.
        device: ``cpu`` or ``cuda``.
    """

    runtime: str
    n_threads: int
    device: str

    def __str__(self) -> str:
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{self.runtime}, {threads}, {self.device}"


@dataclass(frozen=True)
class Job:
    """One candidate under one serving configuration.

    Args:
        cell: ``{dataset}.{model}``.
        candidate: Its name.
        bundle: Its bundle.
        serving: How it is served.
    """

    cell: str
    candidate: str
    bundle: Bundle
    serving: Serving

    @property
    def subject(self) -> Subject:
        """What the measurement needs to know of it."""
        return Subject(
            label=f"{self.cell} {self.candidate} ({self.serving})",
            kind=WorkerKind(
                runtime_imports(self.bundle.family, self.serving.runtime), self.serving.n_threads
            ),
            factory=OPEN_BUNDLE,
            arguments={
                "path": str(self.bundle.path),
                "runtime": self.serving.runtime,
                "n_threads": self.serving.n_threads,
                "device": self.serving.device,
            },
        )

    def key(self, context: Mapping[str, Any]) -> str:
        """Return the name its result is kept under.

        Args:
            context: All else that the result depends on.
        """
        return fingerprint(
            {
                "version": MEASUREMENT_VERSION,
                "bundle": self.bundle.sha256,
                "serving": [self.serving.runtime, self.serving.n_threads, self.serving.device],
                **context,
            }
        )


def plan_jobs(
    dataset: str, candidates: Mapping[str, Bundle], servings: Iterable[Serving]
) -> list[Job]:
    """Pair each candidate with each serving configuration its family has.

    Args:
        dataset: The dataset's name.
        candidates: Bundles by name.
        servings: Serving configurations of the evaluation.
    """
    listed = list(servings)
    return [
        Job(f"{dataset}.{bundle.family}", name, bundle, serving)
        for name, bundle in candidates.items()
        for serving in listed
        if serving.device in get_family(bundle.family).devices
    ]


def measure_jobs(
    jobs: Sequence[Job], bench: Bench, store: Store, context: Mapping[str, Any]
) -> list[Json]:
    """Measure jobs in turns, one fresh process each, until each is settled.

    In turns, so that a machine that gets slower or faster meanwhile does so for all alike. The
    state is kept after each process; what is there already is not measured again.

    Args:
        jobs: What to measure.
        bench: Where and how.
        store: Keeps the states.
        context: What the results depend on beside bundle and serving configuration.

    Returns:
        The states, in the order of the jobs.
    """
    keys = [job.key(context) for job in jobs]
    states = [store.get(key) or new_state() for key in keys]
    n_kept = sum(_is_over(state) for state in states)
    if n_kept:
        logger.info("%s: %d of %d profiles were kept from before.", jobs[0].cell, n_kept, len(jobs))
    with machine_lock(lock_path()):  # imports would disturb another process' timing
        bench.pool.start(
            job.subject.kind for job, state in zip(jobs, states, strict=True) if not _is_over(state)
        )
    while not all(_is_over(state) for state in states):
        for i, job in enumerate(jobs):
            if _is_over(states[i]):
                continue
            states[i] = measure_round(job.subject, bench, states[i])
            store.put(keys[i], states[i])
            if _is_over(states[i]):
                n_over = sum(_is_over(state) for state in states)
                _log_end(job, states[i], bench, f"{n_over}/{len(jobs)}")
    return states


def _is_over(state: Json) -> bool:
    return state["settled"] is not None or state["error"] is not None


def _log_end(job: Job, state: Json, bench: Bench, progress: str) -> None:
    if state["error"]:
        logger.warning("%s %s (%s): %s", job.cell, job.candidate, job.serving, state["error"])
        return
    rounds = usable_rounds(state, bench.settings)
    p50 = median_interval(per_process(rounds, 0.5))
    logger.info(
        "%s %s %s (%s): p50 %.3g ms ± %.0f %% from %d processes%s",
        job.cell,
        progress,
        job.candidate,
        job.serving,
        p50.value / NS_PER_MS,
        p50.half_width_pct,
        len(rounds),
        ", disturbed" if any(is_disturbed(r, state, bench.settings) for r in rounds) else "",
    )
