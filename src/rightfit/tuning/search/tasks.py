"""What a scheduler asks of a worker, and what it hears back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rightfit.families.family import Configuration


@dataclass(frozen=True)
class Task:
    """One step of one trial.

    Args:
        kind: ``train`` to the next checkpoint, and keep the model at the last one; ``keep`` the
            model of a training that was cut short; ``export`` a kept model to ONNX.
        number: The trial's number.
        configuration: All settings of its model.
        n_checkpoints: Checkpoints that its training has passed.
    """

    kind: Literal["train", "keep", "export"]
    number: int
    configuration: Configuration
    n_checkpoints: int


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Args:
        started_s: When it began, in seconds since the epoch.
        ended_s: When it ended.
        cpu_s: CPU seconds that it took.
        fault: Why the trial failed; empty if it did not.
        point: What was measured at the checkpoint, see ``learning_curve.py``.
        untrained: Structure of the finished model, where it is known before any training.
        model_size_mib: Size of the kept model's files; ``None`` if none was kept.
    """

    started_s: float
    ended_s: float
    cpu_s: float
    fault: str = ""
    point: dict[str, Any] | None = None
    untrained: dict[str, float] | None = None
    model_size_mib: float | None = None
