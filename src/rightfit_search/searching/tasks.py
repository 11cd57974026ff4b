"""What a run and its workers tell each other: tasks and what came of them.

Forked processes get and send them over their channels, with a few messages more; workers of a
cluster take and return them as arguments and results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from rightfit._core.processes.channel import name_kinds
from rightfit.models.served_family import Configuration
from rightfit_search.searching.studies.budget import CallLimit

LEAST_S = 0.5  # that each task has, so that one model at least can be kept


@dataclass(frozen=True)
class Task:
    """One step of one trial.

    Args:
        kind: ``train`` to the next checkpoint, and keep the model at the last one; ``keep`` the
            model of a training that was cut short; ``finish`` a kept model, which becomes a
            candidate; ``forecast`` what the first checkpoint will take, from trainings on few rows;
            ``row_curve`` measures a complete trial's model and others of parts of its rows;
            ``predict`` writes what a candidate predicts for stored rows into their folder.
        number: The trial's number.
        configuration: All settings of its model.
        n_checkpoints: Checkpoints that its training has passed.
        learns_validation: Whether a candidate is trained on the validation rows, too.
        exports: Whether a candidate is exported to ONNX.
        n_rows: Stored rows that a candidate is trained on; 0: those of the cell.
        stored_rows: Their folder; empty once such a candidate need only be read.
        bundle: Folder of a candidate that predicts.
        max_cpu_s: CPU seconds after which a worker process gives it up; ``None``: no limit.
        max_wall_s: Wall seconds, likewise.
    """

    kind: Literal["train", "keep", "finish", "forecast", "row_curve", "predict"]
    number: int
    configuration: Configuration
    n_checkpoints: int
    learns_validation: bool = False
    exports: bool = False
    n_rows: int = 0
    stored_rows: str = ""
    bundle: str = ""
    max_cpu_s: float | None = None
    max_wall_s: float | None = None


def bound_task(task: Task, limit: CallLimit, max_s: float) -> Task:
    """Return a task that ends once it has taken some seconds of what a call limits.

    Args:
        task: The task.
        limit: Of its call.
        max_s: CPU seconds, and wall seconds, that it may take; ``LEAST_S`` at least.
    """
    max_s = max(max_s, LEAST_S)
    return replace(
        task,
        max_cpu_s=None if limit.cpu_s is None else max_s,
        max_wall_s=None if limit.wall_s is None else max_s,
    )


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Args:
        started_s: When it began, in seconds since the epoch.
        ended_s: When it ended.
        cpu_s: CPU seconds that it took.
        fault: Why the trial failed; empty if it did not.
        point: What was measured at the checkpoint, or forecast, see ``learning_curve.py``.
        model_size_mib: Size of the kept model's files; ``None`` if none was kept.
        process_cpu_s: CPU seconds of the worker's process so far, imports and all else beside tasks
            included.
        ends_worker: Whether the worker's process ends with it: the task took all that it may.
    """

    started_s: float
    ended_s: float
    cpu_s: float
    fault: str = ""
    point: dict[str, Any] | None = None
    model_size_mib: float | None = None
    process_cpu_s: float = 0.0
    ends_worker: bool = False


@dataclass(frozen=True)
class Report:
    """What came of a task that a worker was given.

    Args:
        search: Name of the search.
        worker: The worker.
        task: The task.
        result: ``None`` if the worker died or broke.
        error: What broke it, which is no trial's fault; empty if nothing did.
    """

    search: str
    worker: str
    task: Task
    result: TaskResult | None
    error: str = ""

    @property
    def worker_died(self) -> bool:
        """Whether the task is lost with its worker."""
        return self.result is None and not self.error


@dataclass(frozen=True)
class Start:
    """A process carries out tasks of a search; the first follows.

    Args:
        job: The search, see ``cell.describe_job``.
        log_level: Lowest level that it tells.
    """

    job: str
    log_level: int


@dataclass(frozen=True)
class Logged:
    """A line of a process' log."""

    level: int
    name: str
    text: str


@dataclass(frozen=True)
class Ended:
    """A process' work has broken.

    Args:
        error: What broke it.
    """

    error: str


KINDS = name_kinds(Start, Task, TaskResult, Logged, Ended)
