"""Workers that carry out the tasks of searches: what forked processes and a cluster share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rightfit.tuning.parallel.search_queue import PlannedSearch
from rightfit.tuning.search.tasks import Task, TaskResult


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


class Executor(Protocol):
    """Workers of searches that run side by side; each carries out one task at a time."""

    @property
    def has_room(self) -> bool:
        """Whether there is a worker for another search."""

    def begin(self, search: PlannedSearch, *, n_workers: int) -> None:
        """Get ready for the tasks of a search.

        Args:
            search: The search; the name of its cell stands for it from now on.
            n_workers: Workers that it may have, where each search has its own.
        """

    def end(self, search: str) -> None:
        """Let go of a search that has no task out."""

    def find_idle(self, search: str) -> Sequence[str]:
        """Return the workers that may be given a task of a search now."""

    def submit(self, search: str, worker: str, task: Task) -> None:
        """Give an idle worker a task."""

    def wait(self) -> list[Report]:
        """Wait until something has happened, if only for a moment; return what came of tasks."""
