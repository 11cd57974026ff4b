"""Starting more processes on a search (see ``worker.py``)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema
from rightfit.processes.leftovers import temporary_folder
from rightfit.processes.lifeline import end_tree
from rightfit.profiling.measuring.worker_pool import THREAD_VARIABLES
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

_N_ERROR_CHARACTERS = 2000


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


def write_job(
    folder: Path, cell: Cell, settings: SearchSettings, store: StudyStore
) -> dict[str, Any]:
    """Describe a search for another process: JSON, and the rows in files that it maps.

    Args:
        folder: Folder for the rows, kept as long as a worker reads them.
        cell: What to search.
        settings: Budget and rules.
        store: Where the study is kept.

    Returns:
        What :func:`read_job` reads; it may hold a database's password, so it does not belong into
        a file or on a command line.
    """
    parts = {}
    for name in ("train", "validation"):
        data: TrainingData = getattr(cell, name)
        np.save(folder / f"{name}_rows.npy", data.rows, allow_pickle=False)
        np.save(folder / f"{name}_labels.npy", data.labels, allow_pickle=False)
        parts[name] = data.schema.to_dict()
    return {
        "folder": str(folder),
        "schemas": parts,
        "cell": _dump(cell, without=tuple(parts)),
        "settings": _dump(settings),
        "store": _dump(store),
    }


def read_job(job: dict[str, Any]) -> tuple[Cell, SearchSettings, StudyStore]:
    """Rebuild what :func:`write_job` described."""
    folder = Path(job["folder"])
    data: dict[str, Any] = {
        name: TrainingData(
            np.load(folder / f"{name}_rows.npy", mmap_mode="r", allow_pickle=False),
            np.load(folder / f"{name}_labels.npy", mmap_mode="r", allow_pickle=False),
            InputSchema.from_dict(schema),
        )
        for name, schema in job["schemas"].items()
    }
    cell = Cell(**_parse(Cell, job["cell"]), **data)
    settings = SearchSettings(**_parse(SearchSettings, job["settings"]))
    return cell, settings, StudyStore(**_parse(StudyStore, job["store"]))


def _dump(value: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Turn a dataclass of JSON-like values, dataclasses and Pydantic models into JSON."""
    return {
        name: TypeAdapter(hint).dump_python(getattr(value, name), mode="json")
        for name, hint in _fields(type(value)).items()
        if name not in without
    }


def _parse(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    hints = _fields(kind)
    return {name: TypeAdapter(hints[name]).validate_python(item) for name, item in values.items()}


def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@contextlib.contextmanager
def _started(
    job: dict[str, Any], n_threads: int
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
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
                stdin.write(json.dumps(job) + "\n")
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
