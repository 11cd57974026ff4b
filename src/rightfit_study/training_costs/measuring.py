"""Training costs by batch size: measuring them, and the table of what was found."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from rightfit._core.processes.codec import from_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.worker.protocol import Described, DescribeRequest, Failure
from rightfit_search.families.registry import get_family
from rightfit_study.training_costs.params import TrainingCostsParams
from rightfit_study.training_costs.steps import StepsPhase, TrainingTask

logger = logging.getLogger(__name__)

MEASURE = "rightfit_study.training_costs.steps:measure_steps"
VERSION = 4  # raise it when the meaning of stored results changes
MEASURED = ("step_time_ms", "peak_memory_mib")
# Undisturbed times of fixed work spread by 20 %; a neighbour on the core costs 70 to 90 %.
SLOW_FACTOR = 1.4


@dataclass(frozen=True)
class StepsRuns:
    """What is stored of one batch size.

    Args:
        runs: One per process.
    """

    runs: tuple[StepsPhase, ...] = ()


def measure_training_costs(
    task: TrainingTask,
    params: TrainingCostsParams,
    *,
    pool: WorkerPool,
    store: JsonStore,
    context: Mapping[str, str],
    keys: Mapping[str, str],
) -> pl.DataFrame:
    """Train at each batch size in fresh processes, in turns.

    Args:
        task: What is trained; its batch size is replaced.
        params: Batch sizes, and how long and how often each is trained.
        pool: Started measuring processes.
        store: Keeps each batch size's result.
        context: What the results depend on beside task and parameters.
        keys: Columns that say what was trained.

    Returns:
        One row per batch size: the keys, ``batch_size``, ``n_steps``, ``rows_per_s``,
        ``cpu_cores``, ``step_time_ms`` and ``peak_memory_mib`` with intervals, ``disturbed``.
    """
    kind = WorkerKind((*get_family(task.family).native_imports, "torch.optim"), n_threads=1)
    tasks = {
        size: replace(task, configuration=task.configuration | {"batch_size": size})
        for size in params.batch_sizes
    }
    names = {
        size: fingerprint(
            {
                "version": VERSION,
                "task": asdict(one) | {"rows": None, "labels": None},
                "stretches": params.model_dump(exclude={"device"})
                | {"batch_sizes": None, "answer_max_s": None},
                **context,
            }
        )
        for size, one in tasks.items()
    }
    kept = {size: store.get_record(name, StepsRuns) for size, name in names.items()}
    found = {size: (one or StepsRuns()).runs for size, one in kept.items()}
    for turn in range(params.n_processes):
        for size, one in tasks.items():
            if len(found[size]) <= turn:
                found[size] += (_train_once(one, size, params, kind, pool),)
                store.put_record(names[size], StepsRuns(found[size]))
    return _tabulate(found, params, keys)


def _train_once(
    task: TrainingTask,
    batch_size: int,
    params: TrainingCostsParams,
    kind: WorkerKind,
    pool: WorkerPool,
) -> StepsPhase:
    # a large batch makes enough steps too
    n_rows = max(params.n_rows, batch_size * params.min_steps)
    request = DescribeRequest(
        factory=MEASURE,
        arguments={"task": asdict(task), "n_rows": n_rows},
        limit_s=params.answer_max_s,
    )
    with machine_lock():
        answer = pool.get(kind).ask(request, Described)
    if isinstance(answer, Failure):
        raise RuntimeError(f"Training {task.family} with {batch_size=} failed: {answer.error}")
    steps = from_plain(StepsPhase, answer.found)
    logger.info("%s, batch size %d: %.3g ms a step", task.family, batch_size, steps.step_time_ms)
    return steps


def _tabulate(
    found: Mapping[int, Sequence[StepsPhase]], params: TrainingCostsParams, keys: Mapping[str, str]
) -> pl.DataFrame:
    fastest_ns = min(run.fixed_work_ns for runs in found.values() for run in runs)
    rows = []
    for batch_size, runs in found.items():
        clean = [run for run in runs if not _is_disturbed(run, params, fastest_ns)]
        used = clean or runs
        row: dict[str, Any] = {
            **keys,
            "batch_size": batch_size,
            "n_steps": sum(run.n_steps for run in used),
            "cpu_cores": statistics.median(run.cores for run in used),
            "disturbed": not clean,
        }
        for column in MEASURED:
            interval = estimate_median([getattr(run, column) for run in used], looks_once=True)
            row |= {
                column: interval.value,
                f"{column}_low": interval.low,
                f"{column}_high": interval.high,
            }
        row["rows_per_s"] = batch_size / row["step_time_ms"] * 1_000
        rows.append(row)
    intervals = [f"{column}{end}" for column in MEASURED for end in ("", "_low", "_high")]
    schema: dict[str, Any] = {
        **dict.fromkeys(keys, pl.String),
        "batch_size": pl.Int64,
        "n_steps": pl.Int64,
        "rows_per_s": pl.Float64,
        "cpu_cores": pl.Float64,
        **dict.fromkeys(intervals, pl.Float64),
        "disturbed": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema)


def _is_disturbed(run: StepsPhase, params: TrainingCostsParams, fastest_ns: float) -> bool:
    has_waited = params.device == "cpu" and 1 - run.cores > params.max_waiting_share
    return has_waited or run.fixed_work_ns > SLOW_FACTOR * fastest_ns
