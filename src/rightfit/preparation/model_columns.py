"""The columns that a model made elsewhere reads: the dataset's raw ones, or the encoded ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.families.schema import InputSchema
from rightfit.preparation.describing import read_input_schema
from rightfit.preparation.encoding import Encoder, apply_encoder
from rightfit.preparation.spec import DatasetSpec

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

    Args:
        spec: Description of the dataset.
        encoder: Its encoder.
        rows: Its rows, not encoded.
        kind: Which columns the model reads.
        columns: The raw ones it reads, in its order; ``None``: all numbers among the features.

    Raises:
        ValueError: If a column is not there, or holds no numbers.
    """
    encoded = read_input_schema(spec, encoder)
    if kind == "encoded":
        if columns is not None:
            raise ValueError("columns names raw columns; encoded ones are read in their order")
        return encoded
    numbers = [
        name for name in spec.features.columns if _is_number(rows.schema.get(name, pl.String))
    ]
    chosen = numbers if columns is None else list(columns)
    unknown = [name for name in chosen if name not in numbers]
    if unknown or not chosen:
        raise ValueError(
            f"{unknown or 'no columns'} are no numbers among the dataset's features; those are "
            f"{numbers}. A model of other columns may read encoded ones: input: encoded"
        )
    return InputSchema(tuple(chosen), encoded.classes, None)


def take_columns(
    schema: InputSchema, encoder: Encoder, rows: pl.DataFrame, *, kind: ColumnKind
) -> npt.NDArray[np.float32]:
    """Return the rows that a model reads, shape (n_rows, n_features); gaps are NaN.

    Args:
        schema: From :func:`describe_columns`.
        encoder: The dataset's encoder.
        rows: Rows with raw columns.
        kind: Which columns the model reads.

    Raises:
        ValueError: If a column is missing.
    """
    missing = [name for name in schema.features if name not in rows.columns]
    if kind == "raw" and missing:
        raise ValueError(f"the columns {missing} are missing; there are {rows.columns}")
    taken = (
        apply_encoder(encoder, rows)
        if kind == "encoded"
        else rows.select(pl.col(schema.features).cast(pl.Float32).fill_null(float("nan")))
    )
    return np.ascontiguousarray(taken.to_numpy(), dtype=np.float32)


def _is_number(dtype: pl.DataType | type[pl.DataType]) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean
