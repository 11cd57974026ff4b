"""What a training step costs at different batch sizes, in fresh processes.

A large batch trains more rows a second, but holds more memory and may use more cores: peers found
both rising. Each batch size is trained for a short stretch in processes of its own, so that no heap
is left over from a larger one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.families.schema import InputSchema
from rightfit.profiling.worker.codec import from_plain
from rightfit.profiling.worker.messages import StepsRequest, Trained
from rightfit.profiling.worker.meters.memory import FilePages, read_memory, reset_peak
from rightfit.profiling.worker.meters.phase_meters import MemoryMeter, PhaseMeter
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.profiling.worker.results import StepsPhase

Train = Callable[[int], int]  # from the number of rows to train on to the steps taken

N_WARM_UP_STEPS = 2
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
        n_threads: Threads training may use.
        device: ``cpu`` or ``cuda``.
    """

    family: str
    configuration: dict[str, Any]
    schema: InputSchema
    rows: str
    labels: str
    n_threads: int
    device: str


def prepare_training(**task: Any) -> Train:
    """Load rows and libraries; return a function that trains one epoch on the first rows.

    Args:
        **task: Fields of :class:`TrainingTask`.
    """
    from rightfit.families.family import TrainingData
    from rightfit.families.registry import get_family

    described = from_plain(TrainingTask, task)
    family = get_family(described.family)
    family.load_libraries()
    rows, labels = np.load(Path(described.rows)), np.load(Path(described.labels))

    def train(n_rows: int) -> int:
        data = TrainingData(rows[:n_rows], labels[:n_rows], described.schema)
        *_, last = family.train(
            described.configuration | {"n_epochs": 1},
            data,
            n_checkpoints=1,
            seed=0,
            n_threads=described.n_threads,
            device=described.device,
        )
        return last.n_steps

    return train


def measure_steps(
    factory: Callable[..., Train], request: StepsRequest, base_pages: FilePages | None
) -> Trained:
    """Train for a stretch in this process and measure it.

    Args:
        factory: See :func:`prepare_training`.
        request: What to train, and on how many rows.
        base_pages: Pages of files of the worker this process was forked from.
    """
    train = factory(**request.arguments)
    probe = SpeedProbe(request.probe_known_ns)
    memory = MemoryMeter(base_pages)
    batch_size = request.arguments["configuration"]["batch_size"]
    train(max(MIN_ROWS, N_WARM_UP_STEPS * batch_size))
    before_ns = probe.time_ns()
    reset_peak()
    start = read_memory()
    meter = PhaseMeter()
    n_steps = train(request.n_rows)
    phase = meter.read()
    steps = StepsPhase(
        **vars(phase),
        n_steps=n_steps,
        step_time_ms=phase.wall_ms / n_steps,
        peak_memory_mib=memory.peak_mib(start),
        probe_ns=max(before_ns, probe.time_ns()),
        probe_full_ns=probe.full_ns,
    )
    return Trained(steps, tuple(probe.looks_ns))


def rows_of_a_stretch(batch_size: int, *, n_rows: int, min_steps: int) -> int:
    """Return how many rows to train on, so that a large batch makes enough steps too.

    Args:
        batch_size: Rows a step.
        n_rows: Rows of a stretch for batches that are small enough.
        min_steps: Steps of a stretch at least.

    >>> rows_of_a_stretch(64, n_rows=4096, min_steps=8)
    4096
    >>> rows_of_a_stretch(1024, n_rows=4096, min_steps=8)
    8192
    """
    return max(n_rows, batch_size * min_steps)
