"""The data card: what a prepared dataset is, where it comes from and what was done to it."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from rightfit.families.schema import InputSchema, Task
from rightfit.preparation.assembling import RowCounts
from rightfit.preparation.description import DatasetSpec
from rightfit.preparation.fingerprint import hash_frame
from rightfit.preparation.spec import Derived, Features, Join, Split, Target, Validation
from rightfit.preparation.splitting import PARTS
from rightfit.preparation.table_check import RawCheck, TableReport
from rightfit.processes.codec import hash_json
from rightfit.quality.metric import QualityMetric
from rightfit.quality.scorers import read_function_sources
from rightfit.request_path.encoder import Encoder, name_features

N_VERSION_DIGITS = 16  # of the sha256


class CardFeatures(Features):
    """The features with what was derived for them and the number of encoded columns."""

    n_encoded: int
    derived: tuple[Derived, ...]


class TargetValues(BaseModel):
    """The distribution of the values to predict, in the target's unit."""

    model_config = ConfigDict(frozen=True)

    min: float
    median: float
    mean: float
    max: float
    std: float


class DataCard(BaseModel):
    """What a prepared dataset is; its JSON form is ``data_card.json``.

    ``inferred`` names the keys of its block that were inferred from the tables; their values stand
    here. ``class_shares`` holds each class's share of the rows, per part; ``target_values``, in
    regression, the distribution of the target in each part.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    title: str
    task: Task
    data_version: str
    input_schema: InputSchema
    features: CardFeatures
    target: Target
    not_features: tuple[str, ...]
    quality: QualityMetric
    n_rows: dict[str, int]
    rows: RowCounts
    class_shares: dict[str, dict[str, float]]
    target_values: dict[str, TargetValues] = Field(default_factory=dict)
    split: Split
    validation: Validation
    tables: dict[str, TableReport]
    joins: tuple[Join, ...]
    licence: str
    source: str
    notes: tuple[str, ...]
    inferred: tuple[str, ...]
    remarks: tuple[str, ...]


def make_data_card(
    spec: DatasetSpec,
    *,
    dataset_name: str,
    rows: pl.DataFrame,
    encoder: Encoder,
    raw_check: RawCheck,
    row_counts: RowCounts,
) -> DataCard:
    """Describe a prepared dataset."""
    schema = read_input_schema(spec, encoder)
    features = dict(spec.features)
    return DataCard(
        dataset=dataset_name,
        data_version=_compute_version(rows, encoder, schema, spec.quality),
        input_schema=schema,
        features=CardFeatures(n_encoded=schema.n_features, derived=spec.derived, **features),
        n_rows={part: rows.filter(pl.col("part") == part).height for part in PARTS},
        rows=row_counts,
        class_shares=_share_classes(rows, schema.classes),
        target_values=_describe_values(rows) if spec.task == "regression" else {},
        tables=raw_check.tables,
        inferred=raw_check.inferred,
        remarks=raw_check.remarks,
        **{name: getattr(spec, name) for name in _TAKEN_OVER},
    )


_TAKEN_OVER = (
    "title",
    "task",
    "target",
    "not_features",
    "quality",
    "split",
    "validation",
    "joins",
    "licence",
    "source",
    "notes",
)


def read_input_schema(spec: DatasetSpec, encoder: Encoder) -> InputSchema:
    """Return the columns that models read and the classes they predict."""
    image = spec.features.image
    return InputSchema(
        features=name_features(encoder),
        classes=spec.target.classes,
        image_shape=image.shape if image is not None else None,
    )


def _compute_version(
    rows: pl.DataFrame, encoder: Encoder, schema: InputSchema, quality: QualityMetric
) -> str:
    # rows before encoding: their values are exact, whatever the machine's arithmetic
    content = [
        hash_frame(rows),
        hash_json(encoder.model_dump(mode="json")),
        hash_json(schema.to_dict()),
        hash_json(quality.model_dump(mode="json", exclude_defaults=True)),
    ]
    if sources := read_function_sources(quality.name):
        content.append(hash_json(sources))
    return hash_json(content)[:N_VERSION_DIGITS]


def _share_classes(rows: pl.DataFrame, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    if not classes:
        return {}
    shares = {}
    for part in PARTS:
        labels = rows.filter(pl.col("part") == part)["label"]
        if labels.is_empty():  # nothing is kept aside for the test
            continue
        shares[part] = {
            name: round(int((labels == i).sum()) / labels.len(), 6)
            for i, name in enumerate(classes)
        }
    return shares


def _describe_values(rows: pl.DataFrame) -> dict[str, TargetValues]:
    found = {}
    for part in PARTS:
        values = rows.filter(pl.col("part") == part)["label"].to_numpy()
        if not len(values):
            continue
        numbers = {
            "min": values.min(),
            "median": np.median(values),
            "mean": values.mean(),
            "max": values.max(),
            "std": values.std(),
        }
        found[part] = TargetValues(**{name: float(f"{x:.6g}") for name, x in numbers.items()})
    return found
