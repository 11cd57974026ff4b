"""A model's columns of a dataset's rows: encoded or raw, or raw rows to make requests of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.row_files import read_rows
from rightfit.data.data_card import read_input_schema
from rightfit.data.description import RESERVED_COLUMNS, DatasetSpec
from rightfit.data.encoding import apply_encoder, read_values, write_texts
from rightfit.data.inference import read_number_texts
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.feeding import TensorInput
from rightfit.data.request_path.raw_inputs import IMAGE, TEXTS, list_inputs, list_texts
from rightfit.data.tables import read_frame, require_columns
from rightfit.models.imported.importing import ReferencePredictions
from rightfit.models.imported.row_table import RowTable, take_stored
from rightfit.models.schema import InputSchema

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


def make_raw_rows(rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> npt.NDArray[np.void]:
    """Put the raw columns that an encoder reads into one array.

    Returns:
        Array of shape (n_rows,) with a field per column: float64 (NaN: missing), text (empty:
        missing), the bytes of an image, or an image file. A column that is read as a text and as a
        number is a text.
    """
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for tensor in inputs:
        for name in tensor.columns:
            columns[name] = _to_array(rows[name], tensor)
    fields = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    table = np.empty(rows.height, dtype=fields)
    for name, values in columns.items():
        table[name] = values
    return table


def write_raw_rows(path: Path, rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> None:
    """Write :func:`make_raw_rows` into a .npy, whose names of columns may hold any letter."""
    with path.open("wb") as file:
        # numpy's own choice of a version warns of names beyond Latin-1, such as '€'
        np.lib.format.write_array(
            file, make_raw_rows(rows, inputs), version=(3, 0), allow_pickle=False
        )


def _to_array(column: pl.Series, tensor: TensorInput) -> npt.NDArray[np.generic]:
    if (
        tensor.image_shape is not None
    ):  # numpy cuts zeros off the end, and no PNG or JPEG needs them
        return np.array(column.to_list(), dtype=np.bytes_)
    if tensor.name == IMAGE:
        content = b"".join(column.to_list())
        return np.frombuffer(content, dtype=np.uint8).reshape(len(column), -1)
    if tensor.name == TEXTS:
        texts = np.array(write_texts(column).fill_null("").to_list(), dtype=np.str_)
        return texts if texts.dtype.itemsize else texts.astype("U1")
    return column.cast(pl.Float64).to_numpy()
