"""Candidates under serving configurations: the jobs of measuring."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rightfit.families.bundle import Bundle
from rightfit.families.runtimes import available_runtimes, describe_code, runtime_imports
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.measuring.bench import Subject
from rightfit.profiling.measuring.worker_pool import WorkerKind

logger = logging.getLogger(__name__)

# Raise it when the meaning of stored measurements changes: older ones are then measured again.
MEASUREMENT_VERSION = 8
OPEN_BUNDLE = "rightfit.profiling.worker.process:open_bundle"


@dataclass(frozen=True)
class Serving:
    """A way to serve a candidate; the batch size is found by measuring.

    Args:
        runtime: One of ``rightfit.families.runtimes.RUNTIMES``.
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
        """The job as the subject of a measurement."""
        return Subject(
            label=f"{self.cell} {self.candidate} ({self.serving})",
            kind=WorkerKind(
                runtime_imports(self.bundle, self.serving.runtime), self.serving.n_threads
            ),
            factory=OPEN_BUNDLE,
            arguments={
                "path": str(self.bundle.path),
                "family": self.bundle.family,
                "runtime": self.serving.runtime,
                "n_threads": self.serving.n_threads,
                "device": self.serving.device,
                "sha256": self.bundle.sha256,
            },
        )

    def key(self, **context: object) -> str:
        """Return the key its result is kept under.

        Args:
            **context: All else that the result depends on, JSON types.
        """
        return fingerprint(
            {
                "version": MEASUREMENT_VERSION,
                "bundle": self.bundle.sha256,
                "code": describe_code(self.bundle, self.serving.runtime),
                "serving": [self.serving.runtime, self.serving.n_threads, self.serving.device],
                **context,
            }
        )


def plan_servings(
    runtimes: Sequence[str],
    n_threads: Sequence[int | Literal["all"]],
    devices: Sequence[str],
    *,
    n_cores: int,
    present: Sequence[str],
) -> list[Serving]:
    """Return the wanted serving configurations that a machine can run.

    Args:
        runtimes: Wanted runtimes.
        n_threads: Wanted threads; ``all`` is every core.
        devices: Wanted devices.
        n_cores: Cores of the machine.
        present: Devices of the machine.
    """
    wanted = {n_cores if n == "all" else n for n in n_threads}
    too_many = sorted(n for n in wanted if n > n_cores)
    if too_many:
        logger.warning("Skipping n_threads %s: this machine has %d cores.", too_many, n_cores)
    usable = [device for device in devices if device in present]
    if len(usable) < len(devices):
        logger.warning("Measuring on %s only: this machine has no GPU.", usable)
    return [
        Serving(runtime, n, device)
        for runtime in runtimes
        for device in usable
        for n in sorted(wanted - set(too_many))
    ]


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
        Job(f"{dataset}.{bundle.model}", name, bundle, serving)
        for name, bundle in candidates.items()
        for serving in listed
        if serving.device in bundle.load_family().devices
        and serving.runtime in available_runtimes(bundle)
    ]
