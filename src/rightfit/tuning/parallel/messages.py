"""What a run and the processes of its searches tell each other, over their channels."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.processes.channel import name_kinds


@dataclass(frozen=True)
class Start:
    """What a process is to work on.

    Args:
        job: A search, see ``search_job.describe_job``.
        only_default: Whether to train the family's default alone.
        n_candidates: Complete trials to export to ONNX when the search is over, at most.
        log_level: Lowest level that it tells.
    """

    job: str
    only_default: bool
    n_candidates: int
    log_level: int


@dataclass(frozen=True)
class StartRefit:
    """What a process is to train again.

    Args:
        job: A ``RefitJob`` as JSON.
        log_level: Lowest level that it tells.
    """

    job: str
    log_level: int


@dataclass(frozen=True)
class CoreWanted:
    """It would train; the answer is :class:`CoreGranted`."""


@dataclass(frozen=True)
class CoreGranted:
    """It may train."""


@dataclass(frozen=True)
class Idle:
    """It has nothing to do until others of its search are further."""


@dataclass(frozen=True)
class Progress:
    """How far its search is.

    Args:
        n_begun: Trials that have ended or were looked at.
        n_trials: At how many the search ends; ``None`` if it ends otherwise.
    """

    n_begun: int
    n_trials: int | None


@dataclass(frozen=True)
class Logged:
    """A line of its log."""

    level: int
    name: str
    text: str


@dataclass(frozen=True)
class Ended:
    """Its work is over.

    Args:
        error: What broke it; empty if nothing did.
    """

    error: str


KINDS = name_kinds(Start, StartRefit, CoreWanted, CoreGranted, Idle, Progress, Logged, Ended)
