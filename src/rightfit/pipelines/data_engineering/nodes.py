"""Nodes that turn one dataset's raw tables into model input and its data card."""

from __future__ import annotations

import logging
from typing import Any

import polars as pl

from rightfit.pipelines.data_engineering.params import DatasetSpec
from rightfit.preparation.assembling import assemble
from rightfit.preparation.checking import check_tables
from rightfit.preparation.describing import write_data_card
from rightfit.preparation.encoding import apply_encoder, fit_encoder_steps
from rightfit.preparation.splitting import PARTS

logger = logging.getLogger(__name__)


def check_raw_tables(
    dataset: DatasetSpec, *tables: pl.DataFrame, dataset_name: str
) -> dict[str, Any]:
    """Validate the raw tables of a dataset; every other node waits for the report.

    Args:
        dataset: Description of the dataset.
        *tables: Its raw tables, in the order of ``dataset.tables``.
        dataset_name: The dataset's key in the configuration.

    Returns:
        Rows, null shares and outliers of each table.

    Raises:
        ValueError: If a table does not fit its schema; all faults are listed.
    """
    return check_tables(dataset, _by_name(dataset, tables), dataset_name=dataset_name)


def assemble_rows(
    dataset: DatasetSpec,
    raw_check: dict[str, Any],  # noqa: ARG001 - waits for the check
    *tables: pl.DataFrame,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Label, split, join and derive.

    Args:
        dataset: Description of the dataset.
        raw_check: Report of the check, which must have passed.
        *tables: Raw tables, in the order of ``dataset.tables``.

    Returns:
        One row per example with its part, not encoded; and the rows read, dropped and kept.
    """
    return assemble(dataset, _by_name(dataset, tables))


def fit_encoder(dataset: DatasetSpec, rows: pl.DataFrame) -> dict[str, Any]:
    """Fit the encoder on the train rows alone.

    Args:
        dataset: Description of the dataset.
        rows: Assembled rows of all parts.

    Returns:
        The encoder as plain JSON types.
    """
    return fit_encoder_steps(dataset.features, rows.filter(pl.col("part") == "train"))


def encode_parts(
    encoder: dict[str, Any], rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Encode the rows of each part.

    Args:
        encoder: The fitted encoder.
        rows: Assembled rows of all parts.

    Returns:
        Train, validation and test: float32 features, then the integer column ``label``.
    """
    train, validation, test = (
        apply_encoder(encoder, found).with_columns(found["label"])
        for found in (rows.filter(pl.col("part") == part) for part in PARTS)
    )
    return train, validation, test


def describe_dataset(
    dataset: DatasetSpec,
    raw_check: dict[str, Any],
    row_counts: dict[str, Any],
    rows: pl.DataFrame,
    encoder: dict[str, Any],
    *,
    dataset_name: str,
) -> dict[str, Any]:
    """Write the data card.

    Args:
        dataset: Description of the dataset.
        raw_check: Report of the check of the raw tables.
        row_counts: Rows read, dropped and kept.
        rows: Assembled rows of all parts.
        encoder: The fitted encoder.
        dataset_name: The dataset's key in the configuration.

    Returns:
        The card as plain JSON types.
    """
    card = write_data_card(
        dataset,
        dataset_name=dataset_name,
        rows=rows,
        encoder=encoder,
        raw_check=raw_check,
        row_counts=row_counts,
    )
    logger.info(
        "%s: %s rows, %s features, data version %s",
        dataset_name,
        card["n_rows"],
        card["features"]["n_encoded"],
        card["data_version"],
    )
    return card


def _by_name(dataset: DatasetSpec, tables: tuple[pl.DataFrame, ...]) -> dict[str, pl.DataFrame]:
    return dict(zip(dataset.tables, tables, strict=True))
