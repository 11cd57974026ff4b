"""Nodes of the training stage."""

from __future__ import annotations

import atexit
import logging
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import end_sentence
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.data.request_path.encoder import Encoder

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.models.bundle import Bundle
from rightfit.models.runtimes import available_runtimes
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit_kedro.imported_block import ImportedBlock, locate
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.training_params import TrainingParams
from rightfit_search.tables.data_card import DataCard
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.model_import import import_for_dataset
from rightfit_search.tables.row_stream import stream_beyond_sample
from rightfit_search.tables.tables import read_tables
from rightfit_search.tables.teaching import LABELLING_SHARE

if TYPE_CHECKING:
    from rightfit_search.searching.parallel.planned_search import PlannedSearch

logger = logging.getLogger(__name__)

TABLE = "table "  # begins the name of an input that is a raw table

_folders = ExitStack()  # of imported bundles: the catalog copies what is in them
atexit.register(_folders.close)


def plan_cell(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: DataCard,
    studies: StudyStore,
    model: ModelBlock,
    training: TrainingParams,
    applications: ApplicationsParams,
    evaluation: EvaluationParams,
    *,
    cell_name: str,
    n_searches: int,
    **siblings: ModelBlock,
) -> PlannedSearch:
    """Return the search of :func:`tune_model`, which describes the inputs.

    ``n_searches`` is the number of searches that run side by side. A teacher's seconds are the
    search's.
    """
    from rightfit_search.searching.parallel.planned_search import plan_search
    from rightfit_search.searching.setting_up import make_cell

    if (budget_s := training.budget_cpu_s) is not None and (taken_s := data_card.rows.labelling_s):
        left_s = max(budget_s - taken_s, (1 - LABELLING_SHARE) * budget_s)
        training = training.model_copy(update={"budget_cpu_s": left_s})
    return plan_search(
        make_cell(cell_name, train, validation, data_card, model),
        training,
        applications,
        evaluation,
        studies=studies,
        siblings=siblings,
        n_searches=n_searches,
    )


def tune_model(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: DataCard,
    studies: StudyStore,
    model: ModelBlock,
    training: TrainingParams,
    applications: ApplicationsParams,
    evaluation: EvaluationParams,
    *,
    cell_name: str,
    predicts: bool = False,
    **others: Any,
) -> tuple[object, ...]:
    """Search one cell and keep its candidates.

    With ``training.rows`` other than ``sample`` it gets what train rows beyond the sample are made
    of: ``spec``, ``rows``, ``encoder``, and the raw tables, whose names begin with ``TABLE``. All
    other inputs are the blocks of the dataset's other models.

    Returns:
        Trials, learning curves, the account of the search, and the candidates' bundles by name;
        with ``predicts``, their predictions for the validation rows before they learnt from them.
    """
    from rightfit_search.searching.parallel.all_rows import RowSource, train_on_all_rows
    from rightfit_search.searching.parallel.planned_search import complete_search
    from rightfit_search.searching.parallel.side_by_side import carry_out, search_cut_off

    planned = plan_cell(
        train,
        validation,
        data_card,
        studies,
        model,
        training,
        applications,
        evaluation,
        cell_name=cell_name,
        n_searches=1,
        **{name: block for name, block in others.items() if isinstance(block, ModelBlock)},
    )
    search_cut_off([planned])
    outcome = complete_search(planned, predicts=predicts)
    if "spec" in others:
        spec: DatasetSpec = others["spec"]
        entries = spec.tables.values()
        tables = read_tables(spec.tables, [others[TABLE + entry] for entry in entries])
        stream = partial(stream_beyond_sample, spec, tables, others["encoder"], others["rows"])
        source = RowSource(data_card.rows.beyond_sample, stream, planned.store.folder)
        trained, _ = train_on_all_rows(
            [planned], {planned.cell.model: outcome}, source, carry_out=carry_out
        )
        outcome.candidates.update(trained)
    # what the search could not do, and what would help
    for row in outcome.account.filter(pl.col("nearest_miss").is_not_null()).to_dicts():
        logger.debug(
            "%s: no trial of this cell satisfies %s; %s",
            cell_name,
            row["application"],
            row["nearest_miss"],
        )
    ended_early = outcome.account["ended_early"].drop_nulls()
    if len(ended_early):
        logger.warning("%s: the search %s", cell_name, ended_early[0])
    return tuple(outcome) if predicts else tuple(outcome[:-1])


def import_model(
    spec: DatasetSpec,
    rows: pl.DataFrame,
    encoder: Encoder,
    model: ImportedBlock,
    *,
    cell_name: str,
) -> dict[str, Bundle]:
    """Make a candidate of a model file, checked against its dataset.

    It needs less than a search does, so a file that does not fit ends a run before any search.

    Returns:
        The bundle by the model's name.

    Raises:
        RightfitError: If the file does not fit the dataset.
    """
    dataset, _, name = cell_name.partition(".")
    folder = _folders.enter_context(temporary_folder("imported")) / name
    try:
        bundle = import_for_dataset(
            model.give(name),
            spec,
            rows,
            encoder,
            folder,
            columns=model.columns,
            predictions=None if model.predictions is None else locate(model.predictions),
        )
    except ValueError as err:
        raise RightfitError(
            f"models.{name}: {model.file} does not fit {dataset}: {end_sentence(str(err))} "
            f"models.{name}.datasets lists those that the file is for.",
            key="models",
        ) from err
    logger.info(
        "%s: imported %s, served as %s",
        cell_name,
        model.file,
        " and ".join(available_runtimes(bundle)),
    )
    return {name: bundle}


def collect_trials(
    *tables: pl.DataFrame, dataset: str, models: tuple[str, ...]
) -> tuple[pl.DataFrame, ...]:
    """Put the searches of a dataset's cells into one table each.

    ``tables`` are the cells' trials, then their learning curves, then their accounts, each in the
    order of ``models``.

    Returns:
        All trials, learning curves and accounts, with ``dataset`` and ``model`` in front.
    """
    if not models:  # nothing is searched
        from rightfit_search.searching.search_tables import (
            ACCOUNT_SCHEMA,
            CURVE_SCHEMA,
            TRIAL_SCHEMA,
        )

        cell = {"dataset": pl.String, "model": pl.String}
        schemas = (TRIAL_SCHEMA, CURVE_SCHEMA, ACCOUNT_SCHEMA)
        return tuple(pl.DataFrame(schema=cell | schema) for schema in schemas)
    n_kinds = len(tables) // len(models)
    named_tables = [
        table.select(pl.lit(dataset).alias("dataset"), pl.lit(model).alias("model"), pl.all())
        for model, table in zip(models * n_kinds, tables, strict=True)
    ]
    kinds = [named_tables[i : i + len(models)] for i in range(0, len(named_tables), len(models))]
    return tuple(pl.concat(kind) for kind in kinds)
