"""A search for another process: described in JSON, its rows in files that the process maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.search.cell import Cell, SearchSettings, study_name
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.studies.study_store import StudyStore


@dataclass(frozen=True)
class SearchJob:
    """A search for another process: a cell with its rows in files, and what it is searched by.

    Args:
        folder: Where the rows are.
        train: Schema of the rows to learn from.
        validation: Schema of the rows to judge by.
        name: See :class:`Cell`, also for ``family``, ``params``, ``quality``, ``data_version``.
        settings: Budget and rules.
        store: Where the bundles are kept; a worker has nothing to do with the study.
        study_name: The study's name, by which they are kept.
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
    study_name: str


def share_rows(folder: Path, cell: Cell) -> Cell:
    """Return a cell whose rows are in files that all processes map, read when needed.

    Args:
        folder: For the files; they are written unless it is there.
        cell: With its rows.
    """
    if not folder.exists():
        folder.mkdir()
        write_data(folder, "train", cell.train)
        write_data(folder, "validation", cell.validation)
    return replace(
        cell,
        train=map_data(folder, "train", cell.train.schema),
        validation=map_data(folder, "validation", cell.validation.schema),
    )


def write_data(folder: Path, name: str, data: TrainingData) -> None:
    """Write rows and labels into files that other processes map."""
    np.save(folder / f"{name}_rows.npy", data.rows, allow_pickle=False)
    np.save(folder / f"{name}_labels.npy", data.labels, allow_pickle=False)


def describe_job(folder: Path, cell: Cell, settings: SearchSettings, store: StudyStore) -> str:
    """Describe a search for another process.

    Args:
        folder: Where :func:`share_rows` wrote the rows, kept while the process reads them.
        cell: What to search.
        settings: Budget and rules.
        store: Where the study is kept.

    Returns:
        One line of JSON that :func:`read_job` reads.
    """
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
        store=replace(store, folder=store.folder.absolute(), storage=None),
        study_name=study_name(cell, settings),
    )
    return TypeAdapter(SearchJob).dump_json(job).decode()


def read_job(text: str) -> tuple[Cell, SearchSettings, StudyStore, str]:
    """Rebuild what :func:`describe_job` described."""
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
    return cell, job.settings, job.store, job.study_name


def map_data(folder: Path, name: str, schema: InputSchema) -> TrainingData:
    """Return rows and labels that :func:`write_data` wrote, read from the files when needed."""
    return TrainingData(
        np.load(folder / f"{name}_rows.npy", mmap_mode="c", allow_pickle=False),
        np.load(folder / f"{name}_labels.npy", mmap_mode="c", allow_pickle=False),
        schema,
    )
