"""What the configuration says about a dataset: tables, joins, target, features, split, quality.

One block ``datasets.<name>`` of ``parameters_datasets.yml`` is one :class:`DatasetSpec`. What the
parts of a block must agree on is checked in ``coherence.py``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rightfit.families.quality import QualityName
from rightfit.preparation.coherence import find_incoherences

INTEGER_DTYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
NUMERIC_DTYPES = (*INTEGER_DTYPES, "Float32", "Float64")
PLAIN_DTYPES = (*NUMERIC_DTYPES, "Boolean", "String", "Binary", "Date")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Spec):
    """Numbers from ``min`` to ``max``, both included."""

    min: float = Field(allow_inf_nan=False)
    max: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_order(self) -> Bounds:
        if not self.min <= self.max:
            raise ValueError(f"min must not exceed max, but got {self.min=}, {self.max=}")
        return self


class Values(_Spec):
    """One of the listed values."""

    values: tuple[int | str, ...] = Field(min_length=1)


class ByteLength(_Spec):
    """Byte strings of exactly this length, in bytes."""

    n_bytes: int = Field(gt=0)


class ColumnGroup(_Spec):
    """Raw columns that must look alike.

    ``dtype`` is polars' own spelling, such as ``Int16`` or
    ``Datetime(time_unit='ms', time_zone='UTC')``. A share is a fraction of the table's rows. Values
    outside ``allowed`` that ``max_outlier_share`` tolerates become null and are counted.
    """

    names: tuple[str, ...] = Field(min_length=1)
    dtype: str
    allowed: Bounds | Values | ByteLength | Literal["any"]
    max_null_share: float = Field(ge=0, le=1)
    max_outlier_share: float = Field(ge=0, lt=1)

    @field_validator("dtype")
    @classmethod
    def _check_dtype(cls, dtype: str) -> str:
        if dtype not in PLAIN_DTYPES and not dtype.startswith("Datetime(time_unit="):
            raise ValueError(
                f"dtype must be one of {', '.join(PLAIN_DTYPES)} or, for example, "
                f"Datetime(time_unit='ms', time_zone='UTC'), but got {dtype!r}"
            )
        return dtype

    @model_validator(mode="after")
    def _check_allowed(self) -> ColumnGroup:
        if isinstance(self.allowed, Bounds) and self.dtype not in NUMERIC_DTYPES:
            raise ValueError(f"min and max need a numeric dtype, but got {self.dtype=}")
        if isinstance(self.allowed, ByteLength) and self.dtype != "Binary":
            raise ValueError(f"n_bytes needs the dtype Binary, but got {self.dtype=}")
        if isinstance(self.allowed, Values):
            kind = str if self.dtype == "String" else int if self.dtype in INTEGER_DTYPES else None
            if kind is None or not all(type(value) is kind for value in self.allowed.values):
                raise ValueError(
                    "values must be texts for the dtype String or integers for an integer dtype, "
                    f"but got {self.allowed.values} for {self.dtype=}"
                )
        return self


class TableSchema(_Spec):
    """What a raw table must look like. Columns that are not described are ignored."""

    min_rows: int = Field(gt=0)
    columns: tuple[ColumnGroup, ...] = Field(min_length=1)

    def by_column(self) -> dict[str, ColumnGroup]:
        """Return the group of each described column."""
        return {name: group for group in self.columns for name in group.names}


class Join(_Spec):
    """A left join that adds ``columns`` of a further table, named with ``prefix``."""

    table: str
    keys: tuple[str, ...] = Field(min_length=1)  # "on" would be a truth value in YAML
    columns: tuple[str, ...] = Field(min_length=1)
    prefix: str


class Weekday(_Spec):
    """Day of the week of a time, 1 = Monday, as seen in ``time_zone`` (null: as stored)."""

    op: Literal["weekday"]
    name: str
    column: str
    time_zone: str | None


class ClockMinutes(_Spec):
    """Minutes since midnight of a clock time written as the integer HHMM."""

    op: Literal["clock_minutes"]
    name: str
    column: str


Derived = Annotated[Weekday | ClockMinutes, Field(discriminator="op")]


class Target(_Spec):
    """What is predicted.

    With ``at_least`` null the column's values are the class names. Otherwise the second of two
    classes means that the column's value reaches ``at_least``. Rows without a value are dropped.
    """

    column: str
    at_least: float | None = Field(allow_inf_nan=False)
    classes: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check_classes(self) -> Target:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must differ, but got {self.classes}")
        if self.at_least is not None and len(self.classes) != 2:
            raise ValueError(f"at_least needs two classes (below, reached), got {self.classes}")
        return self


class Image(_Spec):
    """A binary column that holds one image a row: uint8, row by row, channels last."""

    column: str
    shape: tuple[int, int, int]

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape)


class Features(_Spec):
    """What a model is fed: either columns of a table or one image.

    Numeric columns are filled with the training median and standardised; ``indicate_missing``
    names those that also get a 0/1 column. Categories rarer than ``min_category_share`` of the
    training rows share one bucket with unknown and missing ones.
    """

    numeric: tuple[str, ...]
    indicate_missing: tuple[str, ...]
    categorical: tuple[str, ...]
    min_category_share: float = Field(ge=0, lt=1)
    image: Image | None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns read, in order."""
        image = (self.image.column,) if self.image else ()
        return (*self.numeric, *self.categorical, *image)


class Split(_Spec):
    """The documented split: a column and the two values that matter."""

    column: str
    train: int | str
    test: int | str


class StratifiedValidation(_Spec):
    """A random share of the train rows, the same share of each class."""

    method: Literal["stratified"]
    share: float = Field(gt=0, lt=1)


class ByTimeValidation(_Spec):
    """The last share of the train rows, ordered by columns of the main table."""

    method: Literal["by_time"]
    share: float = Field(gt=0, lt=1)
    time_columns: tuple[str, ...] = Field(min_length=1)


Validation = Annotated[StratifiedValidation | ByTimeValidation, Field(discriminator="method")]


class Quality(_Spec):
    """The dataset's quality metric; ``worst`` counts as 0 and ``best`` as 1."""

    name: QualityName
    worst: float = Field(allow_inf_nan=False)
    best: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_order(self) -> Quality:
        if not self.worst < self.best:
            raise ValueError(f"worst must be below best, but got {self.worst=}, {self.best=}")
        return self


class DatasetSpec(_Spec):
    """Everything about one dataset.

    ``tables`` names the raw tables, the main one first. ``not_features`` lists columns that repeat
    the outcome or are known only after it. ``max_train_rows`` counts the validation rows too; null
    keeps all rows. ``seed`` draws the kept rows and the validation rows.
    """

    title: str
    tables: tuple[str, ...] = Field(min_length=1)
    schemas: dict[str, TableSchema]
    joins: tuple[Join, ...]
    derived: tuple[Derived, ...]
    target: Target
    not_features: tuple[str, ...]
    features: Features
    split: Split
    validation: Validation
    max_train_rows: int | None = Field(gt=1)
    max_test_rows: int | None = Field(gt=0)
    seed: int = Field(ge=0)
    quality: Quality
    licence: str
    source: str
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _check_coherence(self) -> DatasetSpec:
        faults = find_incoherences(self)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def main_table(self) -> str:
        """Name of the table that holds one row per example."""
        return self.tables[0]

    def join_keys(self, table: str) -> tuple[str, ...]:
        """Return the columns that must identify a row of ``table``; none for the main table."""
        return next((join.keys for join in self.joins if join.table == table), ())
