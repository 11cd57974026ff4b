"""What training steps cost at one batch size: the part that runs in a fresh measuring process.

A large batch trains more rows a second, but holds more memory and may use more cores: peers found
both rising. Each batch size is trained for a short stretch in processes of its own, so that no heap
is left over from a larger one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.processes.codec import Plain, from_plain, to_plain
from rightfit.measuring.worker.meters.memory import MemoryMeter, read_memory, reset_peak
from rightfit.measuring.worker.units import NS_PER_MS
from rightfit.models.schema import InputSchema

Train = Callable[[int], int]  # from the number of rows to train on to the steps taken

N_WARM_UP_STEPS = 2
N_WORK_STEPS = 2_000
MIN_ROWS = 256  # every class must be among the rows trained on


@dataclass(frozen=True)
class TrainingTask:
    """What is trained.

    Args:
        family: Import path of a family that trains in batches.
        configuration: Its hyper-parameters, the batch size among them.
        schema: Columns and classes.
        rows: Path of a .npy of float32 rows.
        labels: Path of a .npy of their class positions.
        device: ``cpu`` or ``cuda``.
    """

    family: str
    configuration: dict[str, Any]
    schema: InputSchema
    rows: str
    labels: str
    device: str


@dataclass(frozen=True)
class StepsPhase:
    """Training steps of one batch size."""

    cores: float  # in use on average; what it lacks to 1 the thread that trains has waited
    n_steps: int
    step_time_ms: float
    peak_memory_mib: float  # highest growth
    fixed_work_ns: float  # of a fixed piece of work before or after them, the longer


def measure_steps(*, task: Plain, n_rows: int) -> Plain:
    """Train for a stretch in this process and measure it.

    Args:
        task: A :class:`TrainingTask` in plain JSON types.
        n_rows: How many rows to train on.

    Returns:
        A :class:`StepsPhase` in plain JSON types.
    """
    described = from_plain(TrainingTask, task)
    train = _prepare_training(described)
    memory = MemoryMeter(None)
    train(max(MIN_ROWS, N_WARM_UP_STEPS * described.configuration["batch_size"]))
    before_ns = time_fixed_work_ns()
    reset_peak()
    start = read_memory()
    start_cpu_ns, start_ns = time.process_time_ns(), time.perf_counter_ns()
    n_steps = train(n_rows)
    wall_ns, cpu_ns = time.perf_counter_ns() - start_ns, time.process_time_ns() - start_cpu_ns
    steps = StepsPhase(
        cores=cpu_ns / wall_ns,
        n_steps=n_steps,
        step_time_ms=wall_ns / NS_PER_MS / n_steps,
        peak_memory_mib=memory.peak_mib(start),
        fixed_work_ns=max(before_ns, time_fixed_work_ns()),
    )
    return to_plain(steps)


def time_fixed_work_ns() -> float:
    """Time a fixed piece of work, the median of three times.

    It tells a core that a neighbour on the same physical one slows down: there no thread waits, and
    a virtual machine sees nothing of it.
    """
    times_ns = []
    for _ in range(3):
        start_ns = time.perf_counter_ns()
        sum(step * step & 7 for step in range(N_WORK_STEPS))
        times_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(times_ns)


def _prepare_training(task: TrainingTask) -> Train:
    """Load rows and libraries; return a function that trains one epoch on the first rows."""
    from rightfit_search.families.family import TrainingData, TrainingRun
    from rightfit_search.families.registry import get_family

    family = get_family(task.family)
    family.load_libraries()
    rows, labels = np.load(Path(task.rows)), np.load(Path(task.labels))

    def train(n_rows: int) -> int:
        data = TrainingData(rows[:n_rows], labels[:n_rows], task.schema)
        one_epoch = task.configuration | {"n_epochs": 1}
        run = TrainingRun(one_epoch, data, device=task.device)
        *_, last = family.train(run)
        return last.n_steps

    return train
