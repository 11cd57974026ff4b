"""Starting more processes on a search (see ``search_worker.py``)."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from pydantic import TypeAdapter

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema
from rightfit.processes.leftovers import temporary_folder
from rightfit.processes.lifeline import end_tree
from rightfit.profiling.measuring.worker_pool import THREAD_VARIABLES
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.pausing.priors import ListedPrior, Prior
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

_N_ERROR_CHARACTERS = 2000


@dataclass(frozen=True)
class SearchJob:
    """A search for another process: a cell with its rows in files, and what it is searched by.

    Args:
        folder: Where the rows are.
        train: Schema of the rows to learn from.
        validation: Schema of the rows to judge by.
        name: See :class:`Cell`, also for ``family``, ``params``, ``quality``, ``data_version``.
        settings: Budget and rules.
        store: Where the study is kept.
        prior: What earlier searches taught, which ``settings`` lack; ``None`` if quality steers.
    """

    folder: Path
    name: str
    family: str
    params: ModelParams
    train: InputSchema
    validation: InputSchema
    quality: QualityMetric
    data_version: str
    settings: SearchSettings
    store: StudyStore
    prior: ListedPrior | None


@contextlib.contextmanager
def worker_processes(
    cell: Cell, settings: SearchSettings, store: StudyStore, *, n: int
) -> Iterator[None]:
    """Let ``n`` more processes work on a search while the block runs.

    They end by themselves when the search is over, or when this process dies.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        n: Processes to start.
    """
    if n < 1:
        yield
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("search"))
        job = write_job(folder, cell, settings, store)
        started = [stack.enter_context(_started(job, settings.n_threads)) for _ in range(n)]
        yield
        for process, errors in started:
            _await(process, errors, cell.name)


def write_job(folder: Path, cell: Cell, settings: SearchSettings, store: StudyStore) -> str:
    """Describe a search for another process: JSON, and the rows in files that it maps.

    Args:
        folder: Folder for the rows, kept as long as a worker reads them.
        cell: What to search.
        settings: Budget and rules.
        store: Where the study is kept.

    Returns:
        One line that :func:`read_job` reads; it may hold a database's password, so it does not
        belong into a file or on a command line.
    """
    write_rows(folder, cell)
    return describe_job(folder, cell, settings, store)


def write_rows(folder: Path, cell: Cell) -> None:
    """Write a cell's rows and labels into files that other processes map."""
    for name, data in (("train", cell.train), ("validation", cell.validation)):
        write_data(folder, name, data)


def write_data(folder: Path, name: str, data: TrainingData) -> None:
    """Write rows and labels into files that other processes map."""
    np.save(folder / f"{name}_rows.npy", data.rows, allow_pickle=False)
    np.save(folder / f"{name}_labels.npy", data.labels, allow_pickle=False)


def describe_job(folder: Path, cell: Cell, settings: SearchSettings, store: StudyStore) -> str:
    """Describe a search whose rows were written; see :func:`write_job`."""
    demand, prior = settings.demand, None
    if demand is not None:
        prior = ListedPrior.of(demand.prior)
        settings = replace(settings, demand=replace(demand, prior=Prior()))
    job = SearchJob(
        folder=folder,
        name=cell.name,
        family=cell.family,
        params=cell.params,
        train=cell.train.schema,
        validation=cell.validation.schema,
        quality=cell.quality,
        data_version=cell.data_version,
        settings=settings,
        store=store,
        prior=prior,
    )
    return TypeAdapter(SearchJob).dump_json(job).decode()


def read_job(text: str) -> tuple[Cell, SearchSettings, StudyStore]:
    """Rebuild what :func:`write_job` described."""
    job = TypeAdapter(SearchJob).validate_json(text)
    cell = Cell(
        name=job.name,
        family=job.family,
        params=job.params,
        train=map_data(job.folder, "train", job.train),
        validation=map_data(job.folder, "validation", job.validation),
        quality=job.quality,
        data_version=job.data_version,
    )
    settings = job.settings
    if settings.demand is not None and job.prior is not None:
        settings = replace(settings, demand=replace(settings.demand, prior=job.prior.unlist()))
    return cell, settings, job.store


def map_rows(folder: Path, cell: Cell) -> Cell:
    """Return a cell whose rows were written, with rows that are read from the files when needed."""
    return replace(
        cell,
        train=map_data(folder, "train", cell.train.schema),
        validation=map_data(folder, "validation", cell.validation.schema),
    )


def map_data(folder: Path, name: str, schema: InputSchema) -> TrainingData:
    """Return rows and labels that :func:`write_data` wrote, read from the files when needed."""
    return TrainingData(
        np.load(folder / f"{name}_rows.npy", mmap_mode="c", allow_pickle=False),
        np.load(folder / f"{name}_labels.npy", mmap_mode="c", allow_pickle=False),
        schema,
    )


@contextlib.contextmanager
def _started(job: str, n_threads: int) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "rightfit.tuning.search.search_worker", str(os.getpid())],
            stdin=subprocess.PIPE,  # it stays open: its end tells the worker that we are gone
            stdout=subprocess.DEVNULL,
            stderr=errors,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the worker
        )
        stdin = process.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            with contextlib.suppress(BrokenPipeError):  # it died; its exit code says so
                stdin.write(job + "\n")
                stdin.flush()
            yield process, errors
        finally:
            if process.poll() is None:
                end_tree(process.pid)
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()


def _await(process: subprocess.Popen[str], errors: IO[str], cell_name: str) -> None:
    """Wait for a worker; its trials are finished, so its end can spoil nothing any more."""
    exit_code = process.wait()
    if exit_code != 0:
        errors.seek(0)
        tail = errors.read()[-_N_ERROR_CHARACTERS:].strip()
        logger.warning(
            "%s: a worker ended with exit code %d, others took over its work: %s",
            cell_name,
            exit_code,
            tail or "it said nothing",
        )
