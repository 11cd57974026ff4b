"""Candidates under serving configurations: the jobs of measuring."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from rightfit._core.formatting import count
from rightfit.data.request_path import MODEL, REQUEST, RequestPath
from rightfit.data.request_path.encoder_graph import join_encoder, locate_graph
from rightfit.data.request_path.raw_inputs import EncoderJson
from rightfit.data.request_path.raw_rows import Tensors, save_rows
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.rounds.measurement import MeasurementTarget
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.worker_pool import WorkerKind
from rightfit.measuring.serving import Serving
from rightfit.models.bundle import Bundle
from rightfit.models.bundle_files import hash_regular_file, write_replacing
from rightfit.models.imported.feeds import find_feeds, find_form, make_rows, reads_columns
from rightfit.models.imported.pickles import find_hidden
from rightfit.models.imported.row_table import RowTable
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.references import name_path
from rightfit.models.runtimes import (
    RUNTIMES,
    can_serve,
    describe_code,
    reads_graph,
    runtime_files,
    runtime_imports,
)

if TYPE_CHECKING:  # machines that measure a pack have no polars
    import polars as pl

logger = logging.getLogger(__name__)

FitCosts = Mapping[str, Mapping[str, float | None]]

# Raise it when the meaning of stored measurements changes, and say why: older ones are then
# measured again.
MEASUREMENT_VERSION = 20
WHY_AGAIN = "requests are fed in another way than in earlier measurements"
OPEN_BUNDLE = "rightfit.measuring.worker.phases:open_bundle"
OPEN_REQUEST = "rightfit.data.request_path.opening:open_request"


@dataclass(frozen=True)
class RawRequests:
    """Raw rows and the encoder of a dataset, as files.

    Args:
        rows: A .npy of the raw rows, see ``rightfit.data.request_path.raw_rows``.
        encoder: Content of ``encoder.json``.
        folder: For the encoder's file.
        measurements: Folder of the measurements, which keeps the graphs of encoder and model.
    """

    rows: Path
    encoder: EncoderJson
    folder: Path
    measurements: Path

    @property
    def encoder_file(self) -> Path:
        """Path of the encoder."""
        return self.folder / "encoder.json"

    def locate_graph(self, bundle: Bundle, runtime: str) -> Path | None:
        """Return the path of the graph that answers in a runtime.

        Only the library's runtimes of ONNX files have one, unless the model reads the raw columns
        itself; before any other the encoder runs in Python.
        """
        has_graph = runtime in RUNTIMES and reads_graph(bundle, runtime)
        if not has_graph or reads_columns(bundle, runtime):
            return None
        return locate_graph(self.measurements, bundle, runtime, self.encoder)

    def prepare(self, bundle: Bundle, runtime: str) -> None:
        """Write what the measured process will open, unless it is there."""
        if not self.encoder_file.exists():
            self.encoder_file.write_text(json.dumps(self.encoder), encoding="utf-8")
        graph = self.locate_graph(bundle, runtime)
        if graph is not None and not graph.exists():
            [model_file] = runtime_files(bundle, runtime)
            graph.parent.mkdir(parents=True, exist_ok=True)
            write_replacing(graph, join_encoder(model_file, self.encoder))


@dataclass(frozen=True)
class RowsFile:
    """Rows in the form that a candidate reads in a runtime.

    Args:
        path: See :mod:`rightfit.data.request_path.raw_rows`.
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
    def subject(self) -> MeasurementTarget:
        """The job as the subject of a measurement."""
        needed = runtime_imports(self.bundle, self.serving.runtime)
        imports = dict.fromkeys((*needed, *(self.rows.imports if self.rows else ())))
        subject = MeasurementTarget(
            label=f"{self.cell} {self.candidate} ({self.serving})",
            kind=WorkerKind(tuple(imports), self.serving.n_threads),
            factory=OPEN_BUNDLE,
            arguments={
                "path": str(self.bundle.path),
                "family": self.bundle.family and name_path(self.bundle.family),
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

    @property
    def graph(self) -> Path | None:
        """The ONNX file that answers, once prepared; ``None`` of other runtimes."""
        if self.requests is not None:
            return self.requests.locate_graph(self.bundle, self.serving.runtime)
        if not reads_graph(self.bundle, self.serving.runtime):
            return None
        return runtime_files(self.bundle, self.serving.runtime)[0]

    @cached_property
    def graph_sha256(self) -> str | None:
        """SHA-256 (hex) of the ONNX file that answers, compiled if need be; ``None``: none does."""
        try:
            self.prepare()
            return None if self.graph is None else hash_regular_file(self.graph)
        except (OSError, ValueError):  # it fails again where it is measured, which tells it
            return None

    @property
    def served_files(self) -> list[Path]:
        """The files that answer its requests, once prepared, with the encoder if it has one."""
        files = runtime_files(self.bundle, self.serving.runtime)
        if self.requests is None or reads_columns(self.bundle, self.serving.runtime):
            return files
        return [self.graph] if self.graph else [*files, self.requests.encoder_file]

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
        graph = {} if self.requests is None or self.graph is None else {"graph": self.graph_sha256}
        return fingerprint(
            {
                "version": MEASUREMENT_VERSION,
                "bundle": self.bundle.sha256,
                "serving": [serving.runtime, serving.n_threads, serving.device, *path],
                **graph,
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
    thread_counts = {n_cores if n == "all" else n for n in n_threads}
    too_many = sorted(n for n in thread_counts if n > n_cores)
    if too_many:
        logger.warning(
            "Skipping n_threads %s: this machine has %s.", too_many, count(n_cores, "core")
        )
    usable = [device for device in devices if device in present]
    if len(usable) < len(devices):
        logger.warning("Measuring on %s only: this machine has no GPU.", usable)
    return [
        Serving(runtime, n, device)
        for runtime in runtimes
        for device in usable
        for n in sorted(thread_counts - set(too_many))
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


@dataclass(frozen=True)
class CandidateSet:
    """Candidates of a dataset that are measured together, and what belongs to them.

    Args:
        dataset: Name of the dataset.
        data_version: Version of its prepared content.
        candidates: Bundles by candidate name, of one model or several.
        targets: True class positions, or values, of the test split, shape (n_rows,); ``None``: not
            known, so that no answer is judged.
        quality: The dataset's quality metric.
        fit_costs: What training cost, by candidate and column, where that is known.
        environment_id: Fingerprint of machine and libraries.
        devices: Devices this machine has.
        seed: Seed of quality intervals.
        requests: Raw rows and encoder; ``None``: only encoded rows are answered.
        final_rows: Test rows that nothing is chosen by, from :func:`find_final_rows`; ``None``: all
            of them choose.
        rows: Rows of candidates that read none of the bench, by candidate and runtime.
        columns: Raw columns of the test rows, kept with the predictions; ``None``: none.
    """

    dataset: str
    data_version: str
    candidates: Mapping[str, Bundle]
    targets: npt.NDArray[Any] | None
    quality: QualityMetric
    fit_costs: FitCosts
    environment_id: str
    devices: tuple[str, ...]
    seed: int
    requests: RawRequests | None = None
    final_rows: npt.NDArray[np.bool_] | None = None
    rows: Mapping[tuple[str, str], RowsFile] = field(default_factory=dict)
    columns: pl.DataFrame | None = None

    def key(self, job: Job, settings: MeasuringSettings) -> str:
        """Return the key that the measurement of a job is kept under."""
        return job.key(
            settings=settings.key,
            environment_id=self.environment_id,
            data_version=self.data_version,
        )


def write_model_rows(
    bundles: Mapping[str, Bundle],
    tables: Mapping[str, RowTable | None],
    folder: Path,
    runtimes: Iterable[str] = RUNTIMES,
) -> dict[tuple[str, str], RowsFile]:
    """Write the rows that each model reads in each runtime, the same ones once.

    Args:
        bundles: The models by name.
        tables: By name all columns that there are; ``None``: values are drawn at random.
        folder: Where to; no other user may read it.
        runtimes: Runtimes that are wanted.

    Returns:
        Files by name and runtime.

    Raises:
        RightfitError: If a model reads other columns.
    """
    rows_files: dict[object, RowsFile] = {}
    files = {}
    for runtime, (name, bundle) in itertools.product(runtimes, bundles.items()):
        if not can_serve(bundle, runtime):
            continue
        feeds = find_feeds(bundle, runtime)
        table = tables[name]
        key = id(table), feeds or (find_form(bundle, runtime), bundle.schema.features)
        if key not in rows_files:
            rows = make_rows(bundle, runtime, table)
            rows_files[key] = RowsFile.write(rows, folder, f"rows-{len(rows_files)}")
        files[name, runtime] = rows_files[key]
    return files
