"""Bring a model of the configuration in: its file, tried on the dataset's rows, as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from rightfit.data.request_path.encoder import Encoder
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.bundle import Bundle
from rightfit.models.imported.exporting import offer_exports
from rightfit.models.imported.importing import ModelFile, import_file, read_columns
from rightfit.models.imported.kinds import PICKLE_FILE
from rightfit.models.imported.row_table import take_stored
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.encoding import apply_encoder
from rightfit_search.tables.model_inputs import (
    describe_columns,
    list_numbers,
    list_readable,
    read_predictions,
    take_columns,
)

MAX_TRIED_ROWS = 2_000  # on which an imported model must answer


def import_for_dataset(
    model_file: ModelFile,
    spec: DatasetSpec,
    rows: pl.DataFrame,
    encoder: Encoder,
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    predictions: Path | None = None,
) -> Bundle:
    """Make a bundle of a model's file, checked against its dataset.

    Args:
        model_file: The file.
        spec: The dataset.
        rows: Its rows, raw columns and all parts.
        encoder: Its encoder.
        folder: Folder to create.
        columns: Raw columns that the model reads; ``None``: those that it names itself, else all
            numbers among the features.
        predictions: Table of answers that it must give; ``None``: not known.

    Raises:
        ValueError: If the file does not fit the dataset.
    """
    tried = rows.filter(pl.col("part") == "validation").head(MAX_TRIED_ROWS)
    kind, answers = model_file.columns, None
    if model_file.weights_file == PICKLE_FILE:
        is_raw = kind == "raw"
        features = tried.select(list_readable(tried)) if is_raw else apply_encoder(encoder, tried)
        unnamed = (columns or list_numbers(spec, rows)) if is_raw else None
        first = WorkerFirstRows(shared_pool())
        with machine_lock():
            answers = first.try_pickle(model_file.path, take_stored(features), unnamed=unnamed)
        columns = answers.columns if is_raw else None
    elif kind == "raw" and columns is None:
        columns = read_columns(model_file)
    schema = describe_columns(spec, encoder, rows, kind=kind, columns=columns)
    table = take_columns(schema, encoder, tried, kind=kind)
    bundle = import_file(
        model_file,
        folder,
        schema=schema,
        rows=table,
        predictions=None
        if predictions is None
        else read_predictions(predictions, schema, encoder, kind=kind),
        tried=answers,
    )
    return offer_exports(bundle, table)
