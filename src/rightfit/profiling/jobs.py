"""What there is to measure: candidates under serving configurations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rightfit.models.bundle import Bundle
from rightfit.models.families import get_family
from rightfit.models.runtimes import available_runtimes, runtime_imports
from rightfit.profiling.environment import fingerprint
from rightfit.profiling.measurement import Subject
from rightfit.profiling.worker import Json
from rightfit.profiling.workers import WorkerKind

# Raise it when the meaning of stored measurements changes: older ones are then measured again.
MEASUREMENT_VERSION = 7
OPEN_BUNDLE = "rightfit.profiling.worker:open_bundle"


class Store(Protocol):
    """Where results are kept as soon as they are there."""

    def get(self, key: str) -> Json | None:
        """Return what was put under a key."""

    def put(self, key: str, document: Json) -> None:
        """Keep a document."""


@dataclass(frozen=True)
class Serving:
    """A way to serve a candidate; the batch size is found by measuring.

    Args:
        runtime: One of ``rightfit.models.runtimes.RUNTIMES``.
        n_threads: Threads, and cores it runs on.
        device: ``cpu`` or ``cuda``.
    """

    runtime: str
    n_threads: int
    device: str

    def __str__(self) -> str:
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{self.runtime}, {threads}, {self.device}"


@dataclass(frozen=True)
class Job:
    """One candidate under one serving configuration.

    Args:
        cell: ``{dataset}.{model}``.
        candidate: Its name.
        bundle: Its bundle.
        serving: How it is served.
    """

    cell: str
    candidate: str
    bundle: Bundle
    serving: Serving

    @property
    def subject(self) -> Subject:
        """What the measurement needs to know of it."""
        return Subject(
            label=f"{self.cell} {self.candidate} ({self.serving})",
            kind=WorkerKind(
                runtime_imports(self.bundle.family, self.serving.runtime), self.serving.n_threads
            ),
            factory=OPEN_BUNDLE,
            arguments={
                "path": str(self.bundle.path),
                "runtime": self.serving.runtime,
                "n_threads": self.serving.n_threads,
                "device": self.serving.device,
            },
        )

    def key(self, context: Mapping[str, Any]) -> str:
        """Return the name its result is kept under.

        Args:
            context: All else that the result depends on.
        """
        return fingerprint(
            {
                "version": MEASUREMENT_VERSION,
                "bundle": self.bundle.sha256,
                "serving": [self.serving.runtime, self.serving.n_threads, self.serving.device],
                **context,
            }
        )


def plan_jobs(
    dataset: str, candidates: Mapping[str, Bundle], servings: Iterable[Serving]
) -> list[Job]:
    """Pair each candidate with each serving configuration it can be served in.

    Args:
        dataset: The dataset's name.
        candidates: Bundles by name.
        servings: Serving configurations of the evaluation.
    """
    listed = list(servings)
    return [
        Job(f"{dataset}.{bundle.family}", name, bundle, serving)
        for name, bundle in candidates.items()
        for serving in listed
        if serving.device in get_family(bundle.family).devices
        and serving.runtime in available_runtimes(bundle)
    ]
