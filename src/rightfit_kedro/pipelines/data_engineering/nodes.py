"""Nodes that turn one dataset's raw tables into model input and its data card."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace

import polars as pl
from pydantic import ValidationError

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count
from rightfit._core.frames import RawTableError, Table
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.data.request_path.encoder import Encoder
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.row_table import take_stored
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import available_runtimes
from rightfit.models.served_family import Rows
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_search.tables.assembling import RowCounts, assemble, join_and_derive
from rightfit_search.tables.completion import CompleteBlock, complete_block, inferred_key
from rightfit_search.tables.data_card import (
    DataCard,
    describe_columns_taken,
    make_data_card,
    remark_unread,
)
from rightfit_search.tables.description import DatasetBlock, DatasetSpec
from rightfit_search.tables.encoding import encode_part, fit_encoder
from rightfit_search.tables.model_import import import_for_dataset
from rightfit_search.tables.splitting import PARTS, Parted, assign_parts
from rightfit_search.tables.table_check import RawCheck, check_tables
from rightfit_search.tables.tables import read_tables, take_rows
from rightfit_search.tables.teaching import LABELLING_SHARE, Positions, add_taught

logger = logging.getLogger(__name__)


def check_raw_tables(
    dataset: DatasetBlock, inferred: JsonStore, *raw_tables: object, dataset_name: str
) -> tuple[DatasetSpec, RawCheck]:
    """Complete a dataset's description and compare its raw tables with it.

    What the block leaves out is inferred from the tables once and then kept: later runs compare
    their tables with it. Every other node waits for this one.

    Returns:
        The complete description; rows, null shares and outliers of each table.

    Raises:
        RawTableError: If the description cannot be completed, or a table does not fit it; all
            faults are listed.
    """
    tables = read_tables(dataset.tables, raw_tables)
    key = f"{dataset_name}.{inferred_key(dataset)}"
    file = inferred.path_of(key)
    kept_in = file if file.is_file() else None
    try:
        complete = _complete(dataset, inferred, tables, dataset_name, key)
    except ValueError as err:
        raise RawTableError(f"datasets.{dataset_name}: {err}") from err
    reports = check_tables(
        complete.spec,
        tables,
        dataset_name=dataset_name,
        inferred_file=kept_in,
    )
    gaps = complete.list_inferred(dataset)
    if gaps:
        logger.info(
            "%s: %s inferred from its tables, see its data card; kept for later runs until its "
            "block changes",
            dataset_name,
            ", ".join(gaps),
        )
    return complete.spec, RawCheck(tables=reports, inferred=gaps, remarks=complete.remarks)


def _complete(
    dataset: DatasetBlock,
    inferred: JsonStore,
    tables: dict[str, Table],
    dataset_name: str,
    key: str,
) -> CompleteBlock:
    pinned = inferred.get(key) if dataset.find_gaps() else None
    if pinned is not None:
        try:
            stored = CompleteBlock.model_validate(pinned)
        except ValidationError:
            logger.warning(
                "%s: %s holds no description of a dataset; it is made anew",
                dataset_name,
                inferred.path_of(key),
            )
        else:
            return stored.take_over(dataset)
    complete = complete_block(dataset, tables, dataset_name=dataset_name)
    if dataset.find_gaps():
        inferred.put(key, complete.model_dump(mode="json"))
        for remark in complete.remarks:
            logger.warning("%s: %s", dataset_name, remark)
    return complete


def assemble_rows(
    spec: DatasetSpec,
    raw_check: RawCheck,  # noqa: ARG001 - waits for the check
    *raw_tables: object,
) -> tuple[pl.DataFrame, RowCounts]:
    """Label, split, join and derive.

    Returns:
        One row per example with its part, not encoded; and the rows read, dropped and kept.
    """
    return assemble(spec, read_tables(spec.tables, raw_tables))


def assemble_taught_rows(
    spec: DatasetSpec,
    raw_check: RawCheck,  # noqa: ARG001 - waits for the check
    teacher: ImportedBlock,
    budget_cpu_s: float | None,
    *raw_tables: object,
    teacher_name: str,
    n_searches: int,
) -> tuple[pl.DataFrame, RowCounts]:
    """Assemble rows, and have an imported model label those without a target.

    Labelling may take half of the seconds that the dataset's searches have, by the clock; they have
    as many fewer.

    Returns:
        As :func:`assemble_rows`; the labelled rows are train rows.

    Raises:
        RightfitError: If the model does not fit the dataset.
    """
    tables = read_tables(spec.tables, raw_tables)
    main = tables[spec.main_table]
    rows, _ = assemble(spec, tables)
    encoder = fit_encoder(spec.features, rows, spec.list_decimals())
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("teacher"))
        try:
            bundle = import_for_dataset(
                teacher.give(teacher_name),
                spec,
                rows,
                encoder,
                folder / teacher_name,
                columns=teacher.columns,
            )
        except ValueError as err:
            raise RightfitError(f"models.{teacher_name}: {err}", key="models") from err
        runtime = available_runtimes(bundle)[0]
        first = WorkerFirstRows(shared_pool())
        predict = stack.enter_context(first.answering(bundle, runtime))

        def answer(positions: Positions) -> Rows:
            described = list(spec.schemas[spec.main_table].by_column())
            unlabelled = take_rows(main, described, pl.Series(positions))
            features = bundle.schema.features
            columns, _ = join_and_derive(spec, tables, unlabelled, columns=features)
            model_rows = make_rows(bundle, runtime, take_stored(columns))
            return check_predictions(
                predict(model_rows),
                n_rows=len(positions),
                schema=bundle.schema,
            )

        def assign(spec: DatasetSpec, labelled: pl.DataFrame) -> Parted:
            parted, remarks = add_taught(
                spec,
                labelled,
                assign_parts(spec, labelled),
                answer,
                main=main,
                max_s=budget_cpu_s and LABELLING_SHARE * budget_cpu_s * n_searches,
            )
            for remark in remarks:
                logger.warning("%s: %s", teacher_name, remark)
            return replace(parted, labelling_s=parted.labelling_s / max(1, n_searches))

        return assemble(spec, tables, assign=assign)


def encode_rows(
    spec: DatasetSpec,
    raw_check: RawCheck,
    row_counts: RowCounts,
    rows: pl.DataFrame,
    *,
    dataset_name: str,
) -> tuple[Encoder, pl.DataFrame, pl.DataFrame, pl.DataFrame, DataCard]:
    """Fit the encoder on the train rows alone, encode the rows of each part, and write the card.

    Returns:
        The encoder; then train, validation and test: float32 features, and the integer column
        ``label``; and what the dataset is.
    """
    encoder = fit_encoder(spec.features, rows, spec.list_decimals())
    card = make_data_card(
        spec,
        dataset_name=dataset_name,
        rows=rows,
        encoder=encoder,
        raw_check=raw_check,
        row_counts=row_counts,
    )
    for remark in remark_unread(spec.features, encoder):
        logger.warning("%s: %s", dataset_name, remark)
    logger.info("%s: %s", dataset_name, describe_columns_taken(spec.features))
    n_rows, n_features = sum(card.n_rows.values()), card.features.n_encoded
    logger.info("%s: %s, %s", dataset_name, count(n_rows, "row"), count(n_features, "feature"))
    train, validation, test = (encode_part(encoder, rows, part) for part in PARTS)
    return encoder, train, validation, test, card
