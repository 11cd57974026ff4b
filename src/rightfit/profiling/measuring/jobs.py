"""Candidates under serving configurations: the jobs of measuring."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rightfit.families.bundle import Bundle
from rightfit.families.imported.pickles import find_hidden
from rightfit.families.runtimes import can_serve, describe_code, runtime_imports
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.measuring.bench import Subject
from rightfit.profiling.measuring.raw_requests import RawRequests
from rightfit.profiling.measuring.worker_pool import WorkerKind
from rightfit.profiling.serving import Serving
from rightfit.request_path import MODEL, REQUEST, RequestPath
from rightfit.request_path.raw_rows import Tensors, save_rows

logger = logging.getLogger(__name__)

# Raise it when the meaning of stored measurements changes: older ones are then measured again.
MEASUREMENT_VERSION = 9
OPEN_BUNDLE = "rightfit.profiling.worker.process:open_bundle"
OPEN_REQUEST = "rightfit.request_path.opening:open_request"


@dataclass(frozen=True)
class RowsFile:
    """Rows in the form that a candidate reads in a runtime.

    Args:
        path: See :mod:`rightfit.request_path.raw_rows`.
        imports: Modules that a process needs to open them.
    """

    path: Path
    imports: tuple[str, ...] = ()

    @classmethod
    def write(cls, rows: Any, folder: Path, name: str) -> RowsFile:
        """Write rows: a matrix, a frame, or an array for each named input of a graph."""
        path = save_rows(Tensors(rows) if isinstance(rows, dict) else rows, folder, name)
        hidden = find_hidden(path.read_bytes()) if path.suffix == ".pickle" else set()
        return cls(path, tuple(sorted(hidden)))


@dataclass(frozen=True)
class Job:
    """One candidate under one serving configuration.

    Args:
        cell: ``{dataset}.{model}``.
        candidate: Its name.
        bundle: Its bundle.
        serving: How it is served.
        requests: Raw rows and encoder; ``None`` where requests are encoded rows.
        rows: Rows that it answers; ``None``: those of the bench.
    """

    cell: str
    candidate: str
    bundle: Bundle
    serving: Serving
    requests: RawRequests | None = None
    rows: RowsFile | None = None

    @property
    def subject(self) -> Subject:
        """The job as the subject of a measurement."""
        needed = runtime_imports(self.bundle, self.serving.runtime)
        imports = dict.fromkeys((*needed, *(self.rows.imports if self.rows else ())))
        subject = Subject(
            label=f"{self.cell} {self.candidate} ({self.serving})",
            kind=WorkerKind(tuple(imports), self.serving.n_threads),
            factory=OPEN_BUNDLE,
            arguments={
                "path": str(self.bundle.path),
                "family": self.bundle.family,
                "runtime": self.serving.runtime,
                "n_threads": self.serving.n_threads,
                "device": self.serving.device,
                "sha256": self.bundle.sha256,
            },
            rows=self.rows.path if self.rows else None,
        )
        if self.requests is None:
            return subject
        graph = self.requests.locate_graph(self.bundle, self.serving.runtime)
        arguments = subject.arguments | {
            "encoder": str(self.requests.encoder_file),
            "graph": None if graph is None else str(graph),
        }
        return replace(subject, factory=OPEN_REQUEST, arguments=arguments, rows=self.requests.rows)

    def prepare(self) -> None:
        """Write what the measured process opens; due before one is asked for."""
        if self.requests is not None:
            self.requests.prepare(self.bundle, self.serving.runtime)

    def key(self, **context: object) -> str:
        """Return the key its result is kept under.

        Args:
            **context: All else that the result depends on, JSON types.
        """
        return self.portable_key(code=describe_code(self.bundle, self.serving.runtime), **context)

    def portable_key(self, **context: object) -> str:
        """Return a key that does not depend on this machine and its libraries.

        Args:
            **context: All else that the result depends on, JSON types.
        """
        serving = self.serving
        path = [] if serving.request_path == MODEL else [serving.request_path]
        return fingerprint(
            {
                "version": MEASUREMENT_VERSION,
                "bundle": self.bundle.sha256,
                "serving": [serving.runtime, serving.n_threads, serving.device, *path],
                **context,
            }
        )


def with_paths(servings: Iterable[Serving], paths: Iterable[RequestPath]) -> list[Serving]:
    """Return serving configurations once for each request path."""
    listed = list(servings)
    return [replace(serving, request_path=path) for path in paths for serving in listed]


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
    dataset: str,
    candidates: Mapping[str, Bundle],
    servings: Iterable[Serving],
    requests: RawRequests | None = None,
    rows: Mapping[tuple[str, str], RowsFile] | None = None,
) -> list[Job]:
    """Pair each candidate with each serving configuration it can be served in.

    Args:
        dataset: The dataset's name.
        candidates: Bundles by name.
        servings: Serving configurations of the evaluation.
        requests: Raw rows and encoder, for requests of raw columns.
        rows: Rows of candidates that read none of the bench, by candidate and runtime.
    """
    listed = list(servings)
    return [
        Job(
            f"{dataset}.{bundle.model}",
            name,
            bundle,
            serving,
            requests if serving.request_path == REQUEST else None,
            (rows or {}).get((name, serving.runtime)),
        )
        for name, bundle in candidates.items()
        for serving in listed
        if serving.device in bundle.load_family().devices and can_serve(bundle, serving.runtime)
    ]
