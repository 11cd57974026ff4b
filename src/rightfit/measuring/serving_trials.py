"""Try many serving configurations in this process, some milliseconds each, before few are measured.

All models are open at once and take turns in slices of a few milliseconds, in random order, so that
what the machine does meanwhile falls on all of them. After each round the better half stays and is
timed twice as long (successive halving: Jamieson and Talwalkar, AISTATS 2016). A trial compares; it
is no measurement, since the models share a process, its memory and its caches.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from rightfit.data.request_path.raw_rows import cut_input, cut_singles, load_rows, take_first
from rightfit.measuring.metrics import LATENCY_COLUMNS, MetricTable
from rightfit.measuring.rounds.jobs import CandidateSet, Job
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.units import BYTES_PER_MIB
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import Predict, open_predictor, runtime_files

SLICE_S = 0.004
N_FIRST_SLICES = 3  # of a trial in the first round
N_SINGLES = 64  # rows that calls of one row rotate through
BATCH_SIZE = 256
REST_S = 0.04  # after a call of several threads; ONNX Runtime's spin for so long
MS_PER_S = 1e3

TRIED = (
    MetricTable.quality.column,
    MetricTable.quality_raw.column,
    *LATENCY_COLUMNS.values(),
    MetricTable.latency_under_load_p99_ms.column,
    MetricTable.throughput_rows_per_s.column,
    MetricTable.model_size_mib.column,
    "n_threads",
)
"""Columns that a trial estimates; every percentile of the latency by the median."""


@dataclass
class ServingTrial:
    """A serving configuration that is tried.

    Args:
        candidate: Name of the model.
        serving: How it is served.
        predict: The open model.
        singles: Inputs of one row.
        batch: An input of ``BATCH_SIZE`` rows.
        quality_raw: Of its predictions for all rows; ``None``: there are no targets.
        model_size_mib: Of the files that it opens.
        row_s: Seconds of a call of one row, the median of each slice.
        batch_s: Seconds of a call of a batch, the median of each slice.
    """

    candidate: str
    serving: Serving
    predict: Predict
    singles: Sequence[Any]
    batch: Any
    quality_raw: float | None
    model_size_mib: float
    row_s: list[float] = field(default_factory=list)
    batch_s: list[float] = field(default_factory=list)

    def run_slices(self, first: int) -> None:
        """Time a slice of single rows, the first of which is given, and one of batches."""
        for inputs, medians_s in ((self.singles, self.row_s), ([self.batch], self.batch_s)):
            calls_s: list[float] = []
            started_s = now_s = time.perf_counter()
            while not calls_s or now_s < started_s + SLICE_S:
                before_s = now_s
                self.predict(inputs[(first + len(calls_s)) % len(inputs)])
                now_s = time.perf_counter()
                calls_s.append(now_s - before_s)
            medians_s.append(statistics.median(calls_s))
        if self.serving.n_threads > 1:
            time.sleep(REST_S)


def open_trials(
    candidates: CandidateSet, jobs: Sequence[Job]
) -> tuple[list[ServingTrial], dict[str, str]]:
    """Open models in this process, and judge the predictions of each in each runtime.

    Args:
        candidates: What the jobs belong to.
        jobs: Serving configurations, each with rows of its own.

    Returns:
        The trials, and why others cannot be tried, by a label of model and runtime.
    """
    qualities: dict[tuple[str, str], float | None] = {}
    trials, faults = [], {}
    for job in jobs:
        serving, bundle = job.serving, job.bundle
        label = f"{job.candidate}, {serving.runtime}"
        if job.rows is None or label in faults:
            continue
        rows = load_rows(str(job.rows.path))
        try:
            predict = open_predictor(
                bundle,
                runtime=serving.runtime,
                n_threads=serving.n_threads,
                device=serving.device,
            )
            if (job.candidate, serving.runtime) not in qualities:
                qualities[job.candidate, serving.runtime] = _judge(candidates, job, predict, rows)
        except Exception as err:  # runtimes raise whatever they stumble over
            faults[label] = str(err)
            continue
        files = runtime_files(bundle, serving.runtime)
        trials.append(
            ServingTrial(
                job.candidate,
                serving,
                predict,
                cut_singles(take_first(rows, N_SINGLES), N_SINGLES),
                cut_input(take_first(rows, BATCH_SIZE), 0, BATCH_SIZE),
                qualities[job.candidate, serving.runtime],
                sum(path.stat().st_size for path in files) / BYTES_PER_MIB,
            )
        )
    return trials, faults


def _judge(candidates: CandidateSet, job: Job, predict: Predict, rows: Any) -> float | None:
    """Return the raw quality of predictions; ``None``: there are no targets."""
    targets = candidates.targets
    if targets is None:
        return None
    starts = range(0, len(rows), BATCH_SIZE)
    parts = [predict(cut_input(rows, start, start + BATCH_SIZE)) for start in starts]
    schema = job.bundle.schema
    predictions = check_predictions(np.concatenate(parts), n_rows=len(targets), schema=schema)
    return candidates.quality.score(targets, predictions)


def halve_trials(
    trials: Sequence[ServingTrial],
    select: Callable[[Sequence[ServingTrial], int], Sequence[int]],
    *,
    n_finalists: int,
    seed: int,
) -> list[ServingTrial]:
    """Time trials in rounds, after each of which fewer go on and are timed twice as long.

    Args:
        trials: Open ones; their times are added to.
        select: From trials and a number, positions of the best so many, for each purpose.
        n_finalists: Number that the last round is asked for.
        seed: Of the order of turns.

    Returns:
        Those that the last round selects.
    """
    chance = random.Random(seed)  # noqa: S311 - an order of turns
    alive = list(trials)
    for trial in alive:
        trial.predict(trial.singles[0])  # the first call is no one's figure
        trial.predict(trial.batch)
    n_slices = N_FIRST_SLICES
    for quota in list_quotas(len(alive), n_finalists) if alive else ():
        for _ in range(n_slices):
            first = chance.randrange(N_SINGLES)
            for trial in chance.sample(alive, len(alive)):
                trial.run_slices(first)
        alive = [alive[position] for position in sorted(select(alive, quota))]
        n_slices *= 2
    return alive


def list_quotas(n_trials: int, n_finalists: int) -> Iterator[int]:
    """Yield how many of some trials stay after each round; half as many each time.

    >>> list(list_quotas(20, 3)), list(list_quotas(2, 3))
    ([10, 5, 3], [2])
    """
    quota = n_trials
    while quota > n_finalists:
        quota = max(n_finalists, math.ceil(quota / 2))
        yield quota
    if n_trials <= n_finalists:
        yield n_trials


def tabulate_trials(trials: Sequence[ServingTrial], candidates: CandidateSet) -> pl.DataFrame:
    """Return a row per trial: model, serving configuration and the columns of ``TRIED``."""
    rows = []
    for trial in trials:
        # the fastest slice: other work on the machine only adds to the others
        row_ms = min(trial.row_s) * MS_PER_S if trial.row_s else None
        batch_s = min(trial.batch_s) if trial.batch_s else None
        raw = trial.quality_raw
        rows.append(
            {
                "candidate": trial.candidate,
                "runtime": trial.serving.runtime,
                "device": trial.serving.device,
                "quality": None if raw is None else candidates.quality.scale(raw),
                "quality_raw": raw,
                **dict.fromkeys(
                    (*LATENCY_COLUMNS.values(), MetricTable.latency_under_load_p99_ms.column),
                    row_ms,
                ),
                "throughput_rows_per_s": None if batch_s is None else BATCH_SIZE / batch_s,
                "model_size_mib": trial.model_size_mib,
                "n_threads": trial.serving.n_threads,
                "n_slices": len(trial.row_s),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
