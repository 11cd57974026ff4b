"""What a search works on, and by which rules.

Another process gets both as JSON; the rows are in files that it maps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter

from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import LabelledRows, TrainingData
from rightfit_search.families.registry import get_family
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.studies.study_store import StudyStore, fingerprint_family
from rightfit_search.searching.training_params import TrainingParams


class SearchSettings(TrainingParams):
    """Budget and rules of one search: those of ``params:training``, with what is settled for it."""

    n_threads: int  # that a training may use
    device: Literal["cpu", "cuda"]
    targets: ApplicationTargets | None  # of the applications; None: quality alone steers


@dataclass(frozen=True)
class Cell:
    """What a search works on: one family on one dataset.

    Args:
        name: ``{dataset}.{model}``.
        family: Import path of the family.
        params: Its fixed settings and its space.
        train: Rows to learn from.
        validation: Rows to judge by.
        quality: The dataset's quality metric.
        data_version: Version of the data.
        learns_validation: Whether candidates learn from the validation rows too, at last.
    """

    name: str
    family: str
    params: ModelParams
    train: TrainingData
    validation: LabelledRows
    quality: QualityMetric
    data_version: str
    learns_validation: bool = False

    @property
    def model(self) -> str:
        """The model's name in the configuration."""
        return self.name.rpartition(".")[2]

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.name.rpartition(".")[0]

    def final_rows(self) -> TrainingData:
        """Return the rows that candidates learn from at last: train and validation rows."""
        return TrainingData(
            np.concatenate([self.train.rows, self.validation.rows]),
            np.concatenate([self.train.labels, self.validation.labels]),
            self.train.schema,
        )

    def default(self) -> Configuration | None:
        """Return the searched settings that need no search; ``None`` without a default."""
        return self.params.first(get_family(self.family).list_defaults(), self.train.schema.task)

    def list_first(self) -> list[Configuration]:
        """Return the searched settings of the first trials: the default, then the portfolio."""
        return self.params.begin(get_family(self.family).list_defaults(), self.train.schema.task)


def study_name(cell: Cell, settings: SearchSettings) -> str:
    """Return the name of the study that belongs to a cell's data, space and code."""
    key = fingerprint_family(
        cell.family,
        {
            "data_version": cell.data_version,
            "quality": cell.quality.raw_parts,
            "params": cell.params.model_dump(),
            "n_checkpoints": settings.n_checkpoints,
            "seed": settings.seed,
            "grid": settings.n_grid_points if settings.sampler == "grid" else None,
        },
    )
    return f"{cell.name}.{key}"


@dataclass(frozen=True)
class SearchJob:
    """A search for another process: a cell with its rows in files, and what it is searched by.

    Args:
        folder: Where the rows are.
        name: See :class:`Cell`, also for ``family``, ``params``, ``quality``, ``data_version`` and
            ``learns_validation``.
        schema: Of the rows to learn from and to judge by.
        metric_function: See :meth:`QualityMetric.dump_function`.
        settings: Budget and rules.
        store: Where the bundles are kept; a worker has nothing to do with the study.
        study_name: The study's name, by which they are kept.
    """

    folder: Path
    name: str
    family: str
    params: ModelParams
    schema: InputSchema
    quality: QualityMetric
    metric_function: str | None
    data_version: str
    learns_validation: bool
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
        for name, data in (("train", cell.train), ("validation", cell.validation)):
            np.save(folder / f"{name}_rows.npy", data.rows, allow_pickle=False)
            np.save(folder / f"{name}_labels.npy", data.labels, allow_pickle=False)
    train, validation = _map_rows(folder, cell.train.schema)
    return replace(cell, train=train, validation=validation)


def _map_rows(folder: Path, schema: InputSchema) -> tuple[TrainingData, LabelledRows]:
    """Return the rows to learn from and to judge by that :func:`share_rows` wrote."""
    rows, labels, judged_rows, judged_labels = (
        np.load(folder / f"{name}_{part}.npy", mmap_mode="c", allow_pickle=False)
        for name in ("train", "validation")
        for part in ("rows", "labels")
    )
    return TrainingData(rows, labels, schema), LabelledRows(judged_rows, judged_labels, schema)


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
        schema=cell.train.schema,
        quality=cell.quality,
        metric_function=cell.quality.dump_function(),
        data_version=cell.data_version,
        learns_validation=cell.learns_validation,
        settings=settings,
        store=replace(store, folder=store.folder.absolute(), storage=None),
        study_name=study_name(cell, settings),
    )
    return TypeAdapter(SearchJob).dump_json(job).decode()


def read_job(text: str) -> tuple[Cell, SearchSettings, StudyStore, str]:
    """Rebuild what :func:`describe_job` described."""
    job = TypeAdapter(SearchJob).validate_json(text)
    train, validation = _map_rows(job.folder, job.schema)
    cell = Cell(
        name=job.name,
        family=job.family,
        params=job.params,
        train=train,
        validation=validation,
        quality=job.quality.load_function(job.metric_function),
        data_version=job.data_version,
        learns_validation=job.learns_validation,
    )
    return cell, job.settings, job.store, job.study_name
