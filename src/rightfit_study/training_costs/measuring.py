"""Training costs by batch size: measuring them, and the table of what was found."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from rightfit.processes.codec import from_plain
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.intervals import estimate_median
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.state import Store, load_record, save_record
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.worker.meters.speed import SpeedProbe, is_slow
from rightfit.profiling.worker.protocol import Described, DescribeRequest, Failure
from rightfit_study.training_costs.steps import StepsPhase, Trained, TrainingTask, rows_of_a_stretch

if TYPE_CHECKING:
    import polars as pl

logger = logging.getLogger(__name__)

MEASURE = "rightfit_study.training_costs.steps:measure_steps"
VERSION = 2  # raise it when the meaning of stored results changes
N_TRIES = 3  # of a stretch whose process is stopped meanwhile
MEASURED = ("step_time_ms", "peak_memory_mib")


@dataclass(frozen=True)
class StepsRuns:
    """What is stored of one batch size.

    Args:
        runs: One per process.
    """

    runs: tuple[StepsPhase, ...] = ()


@dataclass(frozen=True)
class Stretches:
    """How long and how often each batch size is trained.

    Args:
        batch_sizes: Rows a step.
        n_processes: Fresh processes of each.
        n_rows: Rows of a stretch.
        min_steps: Steps of a stretch at least, for large batches.
        max_delay_share: Run-queue delay / wall time that still counts as undisturbed.
        answer_max_s: Seconds after which a process without an answer is killed.
    """

    batch_sizes: Sequence[int]
    n_processes: int
    n_rows: int
    min_steps: int
    max_delay_share: float
    answer_max_s: float


def measure_training_costs(
    task: TrainingTask,
    stretches: Stretches,
    *,
    pool: WorkerPool,
    store: Store,
    context: Mapping[str, str],
    keys: Mapping[str, str],
) -> pl.DataFrame:
    """Train at each batch size in fresh processes, in turns.

    Args:
        task: What is trained; its batch size is replaced.
        stretches: How long and how often.
        pool: Started measuring processes.
        store: Keeps each batch size's result.
        context: What the results depend on beside task and stretches.
        keys: Columns that say what was trained.

    Returns:
        One row per batch size: the keys, ``batch_size``, ``n_steps``, ``rows_per_s``,
        ``cpu_cores``, ``step_time_ms`` and ``peak_memory_mib`` with intervals, ``disturbed``.
    """
    from rightfit.families.registry import get_family

    kind = WorkerKind((*get_family(task.family).native_imports, "torch.optim"), task.n_threads)
    tasks = {size: _with_batch_size(task, size) for size in stretches.batch_sizes}
    names = {
        size: fingerprint(
            {
                "version": VERSION,
                "task": asdict(one) | {"rows": None, "labels": None},
                "stretches": asdict(stretches) | {"batch_sizes": None, "answer_max_s": None},
                **context,
            }
        )
        for size, one in tasks.items()
    }
    kept = {size: load_record(store, name, StepsRuns) for size, name in names.items()}
    found = {size: (one or StepsRuns()).runs for size, one in kept.items()}
    probe = SpeedProbe(None)
    for turn in range(stretches.n_processes):
        for size, one in tasks.items():
            if len(found[size]) <= turn:
                found[size] += (_train_once(one, size, stretches, kind, pool, probe),)
                save_record(store, names[size], StepsRuns(found[size]))
    return _tabulate(found, stretches, keys)


def _with_batch_size(task: TrainingTask, batch_size: int) -> TrainingTask:
    return replace(task, configuration=task.configuration | {"batch_size": batch_size})


def _train_once(
    task: TrainingTask,
    batch_size: int,
    stretches: Stretches,
    kind: WorkerKind,
    pool: WorkerPool,
    probe: SpeedProbe,
) -> StepsPhase:
    n_rows = rows_of_a_stretch(batch_size, n_rows=stretches.n_rows, min_steps=stretches.min_steps)
    request = DescribeRequest(
        factory=MEASURE,
        arguments={"task": asdict(task), "n_rows": n_rows, "probe_known_ns": probe.known_ns},
        limit_s=stretches.answer_max_s,
        is_timed=True,
    )
    for _ in range(N_TRIES):
        with machine_lock():
            answer = pool.get(kind).ask(request, Described)
        if not (isinstance(answer, Failure) and answer.is_of_a_stop):
            break
    if isinstance(answer, Failure):
        raise RuntimeError(f"Training {task.family} with {batch_size=} failed: {answer.error}")
    trained = from_plain(Trained, answer.found)
    probe.learn(trained.probe_looks_ns)
    step_time_ms = trained.steps.step_time_ms
    logger.info("%s, batch size %d: %.3g ms a step", task.family, batch_size, step_time_ms)
    return trained.steps


def _tabulate(
    found: Mapping[int, Sequence[StepsPhase]], stretches: Stretches, keys: Mapping[str, str]
) -> pl.DataFrame:
    import polars as pl

    full_ns = min(run.probe_full_ns for runs in found.values() for run in runs)
    rows = []
    for batch_size, runs in found.items():
        clean = [run for run in runs if not _is_disturbed(run, stretches, full_ns)]
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


def _is_disturbed(run: StepsPhase, stretches: Stretches, full_ns: float) -> bool:
    is_delayed = run.delay_share is not None and run.delay_share > stretches.max_delay_share
    return is_delayed or is_slow(run.probe_ns, full_ns)
