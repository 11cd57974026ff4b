"""What a run and its forked processes tell each other, over their channels."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.processes.channel import name_kinds
from rightfit.tuning.search.tasks import Task, TaskResult


@dataclass(frozen=True)
class Start:
    """A process carries out tasks of a search; the first follows.

    Args:
        job: The search, see ``search_job.describe_job``.
        log_level: Lowest level that it tells.
    """

    job: str
    log_level: int


@dataclass(frozen=True)
class StartRefit:
    """A process trains a model again, and ends.

    Args:
        job: A ``RefitJob`` as JSON.
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
    """A process' work is over.

    Args:
        error: What broke it; empty if nothing did.
    """

    error: str


KINDS = name_kinds(Start, StartRefit, Task, TaskResult, Logged, Ended)
