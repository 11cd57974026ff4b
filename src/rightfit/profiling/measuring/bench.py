"""A measurement's subject, and the bench it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.worker.meters.speed import SpeedProbe


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Args:
        label: For the log, like ``landsat.forest forest-003 onnx 1 thread``.
        kind: Imports and threads of its measuring process.
        factory: ``module:function`` that returns what opens the model.
        arguments: Arguments of the factory, JSON types.
        rows: A .npy of the rows it answers; ``None``: the bench's.
    """

    label: str
    kind: WorkerKind
    factory: str
    arguments: dict[str, Any]
    rows: Path | None = None


@dataclass(frozen=True)
class Bench:
    """What a measurement needs beside its subject.

    Args:
        pool: Started measuring processes.
        rows: A .npy of the float32 rows to answer.
        folder: For files that pass between the processes.
        settings: How thoroughly to measure.
        preset: Name of those settings.
        speed: Knows this machine's full speed from earlier processes.
    """

    pool: WorkerPool
    rows: Path
    folder: Path
    settings: MeasuringSettings
    preset: str
    speed: SpeedProbe

    def locate_rows(self, subject: Subject) -> str:
        """Return the path of the rows that a subject answers."""
        return str(subject.rows or self.rows)
