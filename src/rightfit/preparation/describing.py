"""The data card: what a prepared dataset is, where it comes from and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit.families.schema import InputSchema
from rightfit.preparation.encoding import Encoder, name_features
from rightfit.preparation.fingerprint import hash_frame, hash_json
from rightfit.preparation.spec import DatasetSpec
from rightfit.preparation.splitting import PARTS

N_VERSION_DIGITS = 16  # of the sha256


def write_data_card(
    spec: DatasetSpec,
    *,
    dataset_name: str,
    rows: pl.DataFrame,
    encoder: Encoder,
    raw_check: Mapping[str, Any],
    row_counts: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe a prepared dataset.

    Args:
        spec: Description of the dataset.
        dataset_name: The dataset's key in the configuration.
        rows: Assembled rows, not encoded.
        encoder: Encoder fitted on the train rows.
        raw_check: What the check of the raw tables reported.
        row_counts: Rows read, dropped and kept.

    Returns:
        The card as plain JSON types.
    """
    schema = read_input_schema(spec, encoder)
    quality = spec.quality.model_dump(mode="json")
    return {
        "dataset": dataset_name,
        "title": spec.title,
        "data_version": _compute_version(rows, encoder, schema, quality),
        "input_schema": schema.to_dict(),
        "features": {
            "n_encoded": schema.n_features,
            **spec.features.model_dump(mode="json"),
            "derived": [derived.model_dump(mode="json") for derived in spec.derived],
        },
        "target": spec.target.model_dump(mode="json"),
        "not_features": list(spec.not_features),
        "quality": quality,
        "n_rows": {part: rows.filter(pl.col("part") == part).height for part in PARTS},
        "rows": dict(row_counts),
        "class_shares": _share_classes(rows, schema.classes),
        "split": spec.split.model_dump(mode="json"),
        "validation": spec.validation.model_dump(mode="json"),
        "tables": dict(raw_check),
        "joins": [join.model_dump(mode="json") for join in spec.joins],
        "licence": spec.licence,
        "source": spec.source,
        "notes": list(spec.notes),
    }


def read_input_schema(spec: DatasetSpec, encoder: Encoder) -> InputSchema:
    """Return the columns that models read and the classes they tell apart."""
    image = spec.features.image
    return InputSchema(
        features=name_features(encoder),
        classes=spec.target.classes,
        image_shape=image.shape if image is not None else None,
    )


def _compute_version(
    rows: pl.DataFrame, encoder: Encoder, schema: InputSchema, quality: Mapping[str, Any]
) -> str:
    # rows before encoding: their values are exact, whatever the machine's arithmetic
    content = [
        hash_frame(rows),
        hash_json(encoder),
        hash_json(schema.to_dict()),
        hash_json(quality),
    ]
    return hash_json(content)[:N_VERSION_DIGITS]


def _share_classes(rows: pl.DataFrame, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    shares = {}
    for part in PARTS:
        labels = rows.filter(pl.col("part") == part)["label"]
        shares[part] = {
            name: round(int((labels == i).sum()) / labels.len(), 6)
            for i, name in enumerate(classes)
        }
    return shares
