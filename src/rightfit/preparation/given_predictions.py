"""A table of answers that a model made elsewhere gave there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from rightfit.families.family import Rows
from rightfit.families.imported.importing import GivenPredictions
from rightfit.families.schema import InputSchema
from rightfit.preparation.encoding import Encoder
from rightfit.preparation.model_columns import ColumnKind, take_columns

PREDICTED = "prediction"  # column with the class, or in regression the value


def read_predictions(
    path: Path, schema: InputSchema, encoder: Encoder, *, kind: ColumnKind
) -> GivenPredictions:
    """Read a table of rows and answers.

    Args:
        path: Parquet or CSV file with the raw columns that the model or the encoder reads and,
            besides, a column per class with its probability, or ``prediction`` with the class, or
            in regression ``prediction`` with the value.
        schema: What the model reads and predicts.
        encoder: The dataset's encoder.
        kind: Which columns the model reads.

    Raises:
        ValueError: If the file cannot be read, or lacks columns.
    """
    try:
        table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as err:
        raise ValueError(f"the predictions {path} cannot be read: {err}") from err
    try:
        rows = take_columns(schema, encoder, table, kind=kind)
    except (ValueError, pl.exceptions.PolarsError) as err:
        raise ValueError(f"the predictions {path} do not fit the dataset: {err}") from err
    if not schema.classes:
        return GivenPredictions(path, rows, _read_values(path, table), None)
    if set(schema.classes) <= set(table.columns):
        probabilities = table.select(pl.col(schema.classes).cast(pl.Float32)).to_numpy()
        return GivenPredictions(path, rows, probabilities, None)
    if PREDICTED not in table.columns:
        raise ValueError(
            f"the predictions {path} have neither the columns {list(schema.classes)} with "
            f"probabilities nor {PREDICTED!r} with the class"
        )
    names = table[PREDICTED].cast(pl.String).to_list()
    unknown = sorted({str(name) for name in names} - set(schema.classes))
    if unknown:
        raise ValueError(f"the predictions {path} hold {unknown}, which are no classes")
    return GivenPredictions(
        path, rows, None, np.array([schema.classes.index(name) for name in names], dtype=np.int64)
    )


def _read_values(path: Path, table: pl.DataFrame) -> Rows:
    if PREDICTED not in table.columns or not table.schema[PREDICTED].is_numeric():
        raise ValueError(f"the predictions {path} have no column {PREDICTED!r} of numbers")
    values: Rows = table.select(pl.col(PREDICTED).cast(pl.Float32)).to_numpy()
    return values
