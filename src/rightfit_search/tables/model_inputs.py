"""A model's columns of a dataset's rows: encoded or raw, or raw rows to make requests of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.frames import read_frame, require_columns
from rightfit._core.row_files import read_rows
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.number_texts import read_number_texts
from rightfit.data.request_path.raw_inputs import list_inputs, list_texts
from rightfit.data.request_path.row_reading import read_values
from rightfit.models.imported.importing import ReferencePredictions
from rightfit.models.imported.row_table import RowTable, take_stored
from rightfit.models.schema import InputSchema
from rightfit_search.tables.data_card import read_input_schema
from rightfit_search.tables.description import RESERVED_COLUMNS, DatasetSpec
from rightfit_search.tables.encoding import apply_encoder

PREDICTED = "prediction"  # column with the class, or in regression the value
ColumnKind = Literal["raw", "encoded"]


def describe_columns(
    spec: DatasetSpec,
    encoder: Encoder,
    rows: pl.DataFrame,
    *,
    kind: ColumnKind,
    columns: Sequence[str] | None,
) -> InputSchema:
    """Return the schema of a model that reads one kind of columns.

    Raises:
        RightfitError: If a column is not there.
    """
    encoded = read_input_schema(spec, encoder)
    if kind == "encoded":
        if columns is not None:
            raise RightfitError("columns names raw columns; encoded ones are read in their order")
        return encoded
    chosen = list_numbers(spec, rows) if columns is None else list(columns)
    readable = list_readable(rows)
    unknown = [name for name in chosen if name not in readable]
    if unknown or not chosen:
        raise RightfitError(
            f"{unknown or 'no columns'} are not among the dataset's features; those are "
            f"{readable}. A model of other columns may read encoded ones: input: encoded"
        )
    return InputSchema(tuple(chosen), encoded.classes, None)


def list_readable(rows: pl.DataFrame) -> list[str]:
    """Return the columns that a model may read: features, and those of one value."""
    return [name for name in rows.columns if name not in RESERVED_COLUMNS]


def list_numbers(spec: DatasetSpec, rows: pl.DataFrame) -> list[str]:
    """Return the features that are numbers: what a model reads that names no columns."""
    dtypes = {name: rows.schema.get(name, pl.String()) for name in spec.features.columns}
    return [name for name, dtype in dtypes.items() if dtype.is_numeric() or dtype == pl.Boolean]


def take_columns(
    schema: InputSchema, encoder: Encoder, rows: pl.DataFrame, *, kind: ColumnKind
) -> RowTable:
    """Return the columns that a model reads.

    Raises:
        RightfitError: If a column is missing.
    """
    if kind == "encoded":
        return take_stored(apply_encoder(encoder, rows))
    require_columns(rows, schema.features)
    return take_stored(rows.select(schema.features))


def read_predictions(
    path: Path, schema: InputSchema, encoder: Encoder, *, kind: ColumnKind
) -> ReferencePredictions:
    """Read a table of rows and answers.

    Args:
        path: Parquet or CSV file with the raw columns that the model or the encoder reads and,
            besides, a column per class with its probability, or ``prediction`` with the class, or
            in regression ``prediction`` with the value.
        schema: What the model reads and predicts.
        encoder: The dataset's encoder.
        kind: Which columns the model reads.

    Raises:
        RightfitError: If the file cannot be read, or lacks columns.
    """
    inputs = list_inputs(encoder.to_json())
    table = read_frame(read_rows(path, texts=list_texts(inputs)), entry=str(path))
    numbers = {name: tensor for tensor in inputs for name in tensor.decimals}
    answers = set(schema.classes or [PREDICTED]) - set(schema.features)
    try:
        table = table.select(table.columns).with_columns(
            read_values(table[name], numbers[name])
            if name in numbers
            else read_number_texts(table[name])
            for name in table.columns
            if name in answers.union(numbers)
        )
        rows = take_columns(schema, encoder, table, kind=kind)
    except (ValueError, pl.exceptions.PolarsError) as err:
        raise RightfitError(f"the predictions {path} do not fit the dataset: {err}") from err
    if not schema.classes:
        if PREDICTED not in table.columns or not table.schema[PREDICTED].is_numeric():
            raise RightfitError(f"the predictions {path} have no column {PREDICTED!r} of numbers")
        values = table.select(pl.col(PREDICTED).cast(pl.Float32)).to_numpy()
        return ReferencePredictions(path, rows, values, None)
    if set(schema.classes) <= set(table.columns):
        probabilities = table.select(pl.col(schema.classes).cast(pl.Float32)).to_numpy()
        return ReferencePredictions(path, rows, probabilities, None)
    if PREDICTED not in table.columns:
        raise RightfitError(
            f"the predictions {path} have neither the columns {list(schema.classes)} with "
            f"probabilities nor {PREDICTED!r} with the class"
        )
    names = table[PREDICTED].cast(pl.String).to_list()
    unknown = sorted({str(name) for name in names} - set(schema.classes))
    if unknown:
        raise RightfitError(f"the predictions {path} hold {unknown}, which are no classes")
    return ReferencePredictions(
        path, rows, None, np.array([schema.classes.index(name) for name in names], dtype=np.int64)
    )
