"""Nodes of the training stage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.models.bundle import Bundle
from rightfit.models.families import get_family
from rightfit.models.family import TrainingData
from rightfit.models.quality import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit.pipelines.training.params import ModelParams, TrainingParams
from rightfit.profiling.environment import usable_cores
from rightfit.tuning.machine import pick_device
from rightfit.tuning.study_store import StudyStore

if TYPE_CHECKING:
    from rightfit.tuning.search import Cell, SearchSettings

logger = logging.getLogger(__name__)


def tune_model(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: dict[str, Any],
    studies: StudyStore,
    model_params: ModelParams,
    training: TrainingParams,
    *,
    cell_name: str,
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Bundle]]:
    """Search one cell and keep its candidates.

    Args:
        train: Encoded rows to learn from, with the column ``label``.
        validation: Encoded rows to judge by.
        data_card: The dataset's card.
        studies: Where searches are kept, so that a later run continues it.
        model_params: The family's settings and space.
        training: Budget and rules.
        cell_name: ``{dataset}.{model}``.

    Returns:
        Trials, learning curves, and the candidates' bundles by name.
    """
    from rightfit.tuning.candidates import bundle_candidates
    from rightfit.tuning.progress import show_progress
    from rightfit.tuning.search import run_search
    from rightfit.tuning.tables import tabulate_curves, tabulate_trials

    store = studies.cell(cell_name)
    cell = _make_cell(cell_name, train, validation, data_card, model_params)
    with show_progress(cell_name) as on_trial:
        study = run_search(cell, _make_settings(training, cell.family), store, on_trial=on_trial)
    candidates = bundle_candidates(
        study,
        store,
        n_candidates=training.n_candidates,
        parity_rows=cell.validation.rows,
        model=cell.family,
    )
    trials = tabulate_trials(study, cell.quality)
    logger.info(
        "%s: %s, candidates %s",
        cell_name,
        ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts().rows()),
        list(candidates),
    )
    return trials, tabulate_curves(study, cell.quality), candidates


def collect_trials(
    *tables: pl.DataFrame, dataset: str, models: tuple[str, ...]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put the searches of a dataset's cells into one table each.

    Args:
        *tables: The cells' trials, then their learning curves, both in the order of ``models``.
        dataset: Name of the dataset.
        models: Names of the families.

    Returns:
        All trials and all learning curves, with the columns ``dataset`` and ``model`` in front.
    """
    named = [
        table.select(pl.lit(dataset).alias("dataset"), pl.lit(model).alias("model"), pl.all())
        for model, table in zip(models * 2, tables, strict=True)
    ]
    return pl.concat(named[: len(models)]), pl.concat(named[len(models) :])


def _make_cell(
    cell_name: str,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: dict[str, Any],
    model_params: ModelParams,
) -> Cell:
    from rightfit.tuning.search import Cell

    family = cell_name.rsplit(".", 1)[1]
    schema = InputSchema.from_dict(data_card["input_schema"])
    return Cell(
        name=cell_name,
        family=family,
        params=model_params,
        train=_make_data(train, schema),
        validation=_make_data(validation, schema),
        quality=QualityMetric(**data_card["quality"]),
        data_version=data_card["data_version"],
    )


def _make_data(frame: pl.DataFrame, schema: Any) -> TrainingData:
    rows = np.ascontiguousarray(frame.select(schema.features).to_numpy(), dtype=np.float32)
    return TrainingData(rows, frame["label"].to_numpy().astype(np.int64), schema)


def _make_settings(training: TrainingParams, family: str) -> SearchSettings:
    from rightfit.tuning.search import SearchSettings

    values = training.model_dump(exclude={"n_candidates", "n_threads", "device"})
    share = max(1, usable_cores() // training.n_workers)
    return SearchSettings(
        **values,
        n_threads=share if training.n_threads == "all" else training.n_threads,
        device=pick_device(training.device, get_family(family).devices),
    )
