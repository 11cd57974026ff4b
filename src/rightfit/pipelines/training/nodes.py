"""Nodes of the training stage."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
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
from rightfit.profiling.gpu import list_devices
from rightfit.tuning.machine import pick_device
from rightfit.tuning.study_store import StudyStore

if TYPE_CHECKING:
    from rightfit.tuning.demand import Demand
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
    applications: Any,
    evaluation: Any,
    models: Any,
    cell_name: str,
    siblings: tuple[str, ...],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, dict[str, Bundle]]:
    """Search one cell and keep its candidates.

    Args:
        train: Encoded rows to learn from, with the column ``label``.
        validation: Encoded rows to judge by.
        data_card: The dataset's card.
        studies: Where searches are kept, so that a later run continues it.
        model_params: The family's settings and space.
        training: Budget and rules.
        applications: Who will choose. The ranking stage types and checks them, as the evaluation
            stage does the next.
        evaluation: For the serving configurations that they may choose from.
        models: Settings of all families.
        cell_name: ``{dataset}.{model}``.
        siblings: The dataset's other families.

    Returns:
        Trials, learning curves, the audit of the search, and the candidates' bundles by name.
    """
    from rightfit.tuning.audit import audit_search
    from rightfit.tuning.candidates import bundle_candidates
    from rightfit.tuning.favourites import find_favourites
    from rightfit.tuning.progress import show_progress
    from rightfit.tuning.search import run_search
    from rightfit.tuning.tables import tabulate_curves, tabulate_trials

    store = studies.cell(cell_name)
    cell = _make_cell(cell_name, train, validation, data_card, model_params)
    settings = _make_settings(training, cell.family)
    if training.early_stopping == "judge":
        others = {name: ModelParams.model_validate(models[name]) for name in siblings}
        demand = _make_demand(training, applications, evaluation)
        settings = _join_dataset(settings, demand, cell, others, studies)
    with show_progress(cell_name) as on_trial:
        study = run_search(cell, settings, store, on_trial=on_trial)
    candidates = bundle_candidates(
        study,
        store,
        n_candidates=training.n_candidates,
        favourites=find_favourites(study, cell, settings),
        parity_rows=cell.validation.rows,
        model=cell.family,
    )
    trials = tabulate_trials(study, cell, n_checkpoints=training.n_checkpoints)
    logger.info(
        "%s: %s, candidates %s",
        cell_name,
        ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts().rows()),
        list(candidates),
    )
    audit = audit_search(study, cell, settings, n_orders=training.n_audit_orders)
    return trials, tabulate_curves(study, cell.quality), audit, candidates


def collect_trials(
    *tables: pl.DataFrame, dataset: str, models: tuple[str, ...]
) -> tuple[pl.DataFrame, ...]:
    """Put the searches of a dataset's cells into one table each.

    Args:
        *tables: The cells' trials, then their learning curves, then their audits, each in the order
            of ``models``.
        dataset: Name of the dataset.
        models: Names of the families.

    Returns:
        All trials, learning curves and audits, with the columns ``dataset`` and ``model`` in front.
    """
    n_kinds = len(tables) // len(models)
    named = [
        table.select(pl.lit(dataset).alias("dataset"), pl.lit(model).alias("model"), pl.all())
        for model, table in zip(models * n_kinds, tables, strict=True)
    ]
    kinds = [named[i : i + len(models)] for i in range(0, len(named), len(models))]
    return tuple(pl.concat(kind) for kind in kinds)


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
    """Return the settings of a search that quality alone steers."""
    from rightfit.tuning.search import SearchSettings

    share = max(1, usable_cores() // training.n_workers)
    own: dict[str, Any] = {
        "n_threads": share if training.n_threads == "all" else training.n_threads,
        "device": pick_device(training.device, get_family(family).devices),
        "demand": None,
    }
    names = {field.name for field in fields(SearchSettings)} - set(own)
    return SearchSettings(**{name: getattr(training, name) for name in names}, **own)


def _make_demand(training: TrainingParams, applications: Any, evaluation: Any) -> Demand:
    from rightfit.profiling.jobs import plan_servings
    from rightfit.profiling.tiers import Ladder
    from rightfit.ranking.applications import Applications
    from rightfit.tuning.demand import Demand

    wanted = evaluation if isinstance(evaluation, dict) else evaluation.model_dump()
    servings = plan_servings(
        [name for name in wanted["runtimes"] if name != "onnx_int8"],  # answers otherwise
        wanted["n_threads"],
        wanted["devices"],
        n_cores=usable_cores(),
        present=list_devices(),
    )
    return Demand(
        applications=Applications.model_validate(applications),
        rules=training.rules,
        servings=tuple((s.runtime, s.n_threads, s.device) for s in servings),
        measuring=training.measuring,
        tiers=Ladder.model_validate({"tiers": wanted["tiers"]}).tiers,
        known_quality=None,
        audit_share=training.audit_share,
    )


def _join_dataset(
    settings: SearchSettings,
    demand: Demand,
    cell: Cell,
    others: dict[str, ModelParams],
    studies: StudyStore,
) -> SearchSettings:
    """Add what applications ask for, and what the dataset's other families have reached."""
    from rightfit.tuning.known_quality import find_known_quality

    known = find_known_quality(cell, others, settings, studies)
    return replace(settings, demand=replace(demand, known_quality=known))
