"""The data card: what a prepared dataset is, where it comes from and what was done to it."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from rightfit._core.processes.codec import hash_json
from rightfit._core.spelling import name_some
from rightfit.data.dataset_card import DatasetCard
from rightfit.data.request_path.encoder import Encoder, name_features
from rightfit.models.quality.scorers import read_function_sources
from rightfit.models.schema import InputSchema
from rightfit_search.tables.assembling import RowCounts
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import (
    Derived,
    Features,
    Join,
    Split,
    Target,
    Validation,
)
from rightfit_search.tables.splitting import PARTS
from rightfit_search.tables.table_check import RawCheck, TableReport

KINDS = ("numeric", "categorical", "text", "date")
N_VERSION_DIGITS = 16  # of the sha256
UNSET = {"decimals"}  # not hashed where there are none


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


class DataCard(DatasetCard):
    """The description of a prepared dataset; its JSON form is ``data_card.json``.

    ``inferred`` names the keys of its block that were inferred from the tables; their values stand
    here. ``class_shares`` holds each class's share of the rows, per part; ``target_values``, in
    regression, the distribution of the target in each part.
    """

    features: CardFeatures
    target: Target
    not_features: tuple[str, ...]
    rows: RowCounts
    class_shares: dict[str, dict[str, float]]
    target_values: dict[str, TargetValues] = Field(default_factory=dict)
    split: Split
    validation: Validation
    tables: dict[str, TableReport]
    joins: tuple[Join, ...]
    inferred: tuple[str, ...]

    def __str__(self) -> str:
        """Return rows, what each column was taken as, and the remarks, as ``print`` shows them."""
        n_rows = ", ".join(f"{n:,} {part}" for part, n in self.n_rows.items())
        head = f"{self.dataset}: {self.task} of {self.target.column!r} by {self.quality.name}"
        taken = describe_columns_taken(self.features)
        return "\n  ".join([head, f"rows: {n_rows}", taken, *self.remarks])

    def with_threshold(self, threshold: float | None) -> DataCard:
        """Return the card with an application's threshold; ``None``: the dataset's own stays."""
        if threshold is None:
            return self
        quality = self.quality.model_copy(update={"threshold": threshold})
        return self.model_copy(update={"quality": quality})


_TAKEN_OVER = DatasetSpec.model_fields.keys() & DataCard.model_fields.keys() - {
    "features",
    "tables",
}  # which the card describes otherwise


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
    n_rows: dict[str, int] = {}
    class_shares: dict[str, dict[str, float]] = {}
    target_values: dict[str, TargetValues] = {}
    for part in PARTS:
        labels = rows.filter(pl.col("part") == part)["label"]
        n_rows[part] = labels.len()
        if labels.is_empty():  # nothing is kept aside for the test
            continue
        if spec.task == "regression":
            values = labels.to_numpy()
            numbers = {
                "min": values.min(),
                "median": np.median(values),
                "mean": values.mean(),
                "max": values.max(),
                "std": values.std(),
            }
            target_values[part] = TargetValues(
                **{name: float(f"{x:.6g}") for name, x in numbers.items()}
            )
        else:
            class_shares[part] = {
                name: round(int((labels == i).sum()) / labels.len(), 6)
                for i, name in enumerate(schema.classes)
            }
    # Rows are hashed before they are encoded: so the version is the same on every machine.
    content = [
        hash_frame(rows),
        hash_json(encoder.model_dump(mode="json", exclude=None if encoder.decimals else UNSET)),
        hash_json(schema.to_dict()),
        hash_json(spec.quality.model_dump(mode="json", exclude_defaults=True)),
    ]
    if sources := read_function_sources(spec.quality.name):
        content.append(hash_json(sources))
    return DataCard(
        dataset=dataset_name,
        data_version=hash_json(content, n_digits=N_VERSION_DIGITS),
        input_schema=schema,
        features=CardFeatures(
            n_encoded=schema.n_features, derived=spec.derived, **dict(spec.features)
        ),
        n_rows=n_rows,
        rows=row_counts,
        class_shares=class_shares,
        target_values=target_values,
        tables=raw_check.tables,
        inferred=raw_check.inferred,
        remarks=(*raw_check.remarks, *remark_unread(spec.features, encoder)),
        **{name: getattr(spec, name) for name in _TAKEN_OVER},
    )


def describe_columns_taken(features: Features) -> str:
    """Say in one line what each column was taken as.

    >>> describe_columns_taken(Features(numeric=("a", "b"), date=("day",)))
    "columns taken as numeric: 'a', 'b'; as date: 'day'"
    """
    kinds = {kind: list(map(repr, getattr(features, kind))) for kind in KINDS}
    if features.image is not None:
        kinds["image"] = [repr(features.image.column)]
    listed = [f"as {kind}: {name_some(names)}" for kind, names in kinds.items() if names]
    return f"columns taken {'; '.join(listed)}"


def remark_unread(features: Features, encoder: Encoder) -> tuple[str, ...]:
    """Name the features that no step of the encoder reads."""
    read = {step.column for step in encoder.steps}
    names = [repr(name) for name in features.columns if name not in read]
    if not names:
        return ()
    return (
        f"not used as features: {name_some(names)} (no category is in "
        f"{features.min_category_share:.0%} of the train rows, and target means tell nothing)",
    )


def read_input_schema(spec: DatasetSpec, encoder: Encoder) -> InputSchema:
    """Return the columns that models read and the classes they predict."""
    image = spec.features.image
    return InputSchema(
        features=name_features(encoder),
        classes=spec.target.classes,
        image_shape=image.shape if image is not None else None,
    )


def hash_frame(frame: pl.DataFrame) -> str:
    """Hash names, kinds, order and values of a frame's columns.

    Equal frames have equal hashes on every machine and in every version: neither how the frame is
    chunked in memory nor how a library hashes plays a part.

    Args:
        frame: Columns of numbers, texts, byte strings, truth values or times.

    Returns:
        Sha256 in hexadecimal digits.
    """
    digest = hashlib.sha256(f"{frame.height} rows\n".encode())
    for column in frame:
        digest.update(f"{column.name!r} {column.dtype}\n".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        numbers = column.to_physical()
        if column.dtype in (pl.String, pl.Binary):
            # each distinct value once, then who has which: long texts repeat
            values = column.unique().drop_nulls().sort()
            numbers = column.replace_strict(values, range(values.len()), return_dtype=pl.UInt32)
            for value in values.to_list():
                raw = value.encode() if isinstance(value, str) else value
                digest.update(len(raw).to_bytes(8, "little") + raw)
        elif column.dtype == pl.Boolean:
            numbers = column.cast(pl.Int32)
        array = numbers.fill_null(0).to_numpy()
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
