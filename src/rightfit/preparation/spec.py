"""The complete description of a dataset: tables, joins, target, features, split, quality.

The configuration may leave most of it out (``block.py``); what it leaves out is inferred from the
tables once (``inference.py``). What the parts must agree on is checked in ``coherence.py``. A
default here is the strict or empty case: no gaps, no outliers, no further columns.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from rightfit.families.quality import QualityName

INTEGER_DTYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
NUMERIC_DTYPES = (*INTEGER_DTYPES, "Float32", "Float64")
PLAIN_DTYPES = (*NUMERIC_DTYPES, "Boolean", "String", "Binary", "Date")

Task = Literal["classification", "regression"]


def _refuse_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(
            f"YAML reads yes, no, on, off, true and false as truth values, and got {value}; "
            'quote them, as in ["no", "yes"]'
        )
    return value


def _read_class_name(value: Any) -> Any:
    return str(value) if type(value) is int else _refuse_truth_value(value)


ClassName = Annotated[str, BeforeValidator(_read_class_name)]
Value = Annotated[int | str, BeforeValidator(_refuse_truth_value)]


class Described(BaseModel):
    """Part of a dataset's description: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(Described):
    """Numbers from ``min`` to ``max``, both included."""

    min: float = Field(allow_inf_nan=False)
    max: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_order(self) -> Bounds:
        if not self.min <= self.max:
            raise ValueError(f"min must not exceed max, but got {self.min=}, {self.max=}")
        return self


class Values(Described):
    """One of the listed values."""

    values: tuple[Value, ...] = Field(min_length=1)


class ByteLength(Described):
    """Byte strings of exactly this length, in bytes."""

    n_bytes: int = Field(gt=0)


class ColumnGroup(Described):
    """Raw columns that must look alike.

    ``names`` may hold patterns (``patterns.py``). ``dtype`` is polars' own spelling, such as
    ``Int16`` or ``Datetime(time_unit='ms', time_zone='UTC')``; a column that fits it without loss
    is cast. A share is a fraction of the table's rows. Values
    outside ``allowed`` that ``max_outlier_share`` tolerates become null and are counted.
    """

    names: tuple[str, ...] = Field(min_length=1)
    dtype: str
    allowed: Bounds | Values | ByteLength | Literal["any"] = "any"
    max_null_share: float = Field(default=0.0, ge=0, le=1)
    max_outlier_share: float = Field(default=0.0, ge=0, lt=1)

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


class TableSchema(Described):
    """What a raw table must look like. Columns that are not described are ignored."""

    min_rows: int = Field(default=1, gt=0)
    columns: tuple[ColumnGroup, ...] = Field(min_length=1)

    def by_column(self) -> dict[str, ColumnGroup]:
        """Return the group of each described column."""
        return {name: group for group in self.columns for name in group.names}


class Join(Described):
    """A left join that adds ``columns`` of a further table, named with ``prefix``."""

    table: str
    keys: tuple[str, ...] = Field(min_length=1)  # "on" would be a truth value in YAML
    columns: tuple[str, ...] = Field(min_length=1)
    prefix: str = ""


class Weekday(Described):
    """Day of the week of a time, 1 = Monday, as seen in ``time_zone`` (null: as stored)."""

    op: Literal["weekday"]
    name: str
    column: str
    time_zone: str | None = None


class ClockMinutes(Described):
    """Minutes since midnight of a clock time written as the integer HHMM."""

    op: Literal["clock_minutes"]
    name: str
    column: str


Derived = Annotated[Weekday | ClockMinutes, Field(discriminator="op")]


class Target(Described):
    """What is predicted.

    With ``at_least`` null the column's values are the class names. Otherwise the second of two
    classes means that the column's value reaches ``at_least``. Rows without a value are dropped.
    Without ``classes`` they are the column's values, in order.
    """

    column: str
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    classes: tuple[ClassName, ...] = ()

    @model_validator(mode="after")
    def _check_classes(self) -> Target:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must differ, but got {self.classes}")
        if len(self.classes) == 1:
            raise ValueError(f"classes must name at least two, but got {self.classes}")
        if self.at_least is not None and len(self.classes) not in (0, 2):
            raise ValueError(f"at_least needs two classes (below, reached), got {self.classes}")
        return self


class Image(Described):
    """A binary column that holds one image a row: uint8, row by row, channels last."""

    column: str
    shape: tuple[int, int, int]

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape)


class Features(Described):
    """What a model is fed: either columns of a table or one image.

    Numeric columns are filled with the training median and standardised; ``indicate_missing``
    names those that also get a 0/1 column. Categories rarer than ``min_category_share`` of the
    training rows share one bucket with unknown and missing ones. The lists may hold patterns; ``*``
    in one of them stands for all other columns of that kind.
    """

    numeric: tuple[str, ...] = ()
    indicate_missing: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    min_category_share: float = Field(default=0.01, ge=0, lt=1)
    image: Image | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns read, in order."""
        image = (self.image.column,) if self.image else ()
        return (*self.numeric, *self.categorical, *image)


class ColumnSplit(Described):
    """The documented split: a column and the two values that matter."""

    column: str
    train: bool | int | str
    test: bool | int | str


class StratifiedShare(Described):
    """A random share of the rows, the same share of each class."""

    method: Literal["stratified"]
    share: float = Field(gt=0, lt=1)


class LatestShare(Described):
    """The last share of the rows, ordered by columns of the main table."""

    method: Literal["by_time"]
    share: float = Field(gt=0, lt=1)
    time_columns: tuple[str, ...] = Field(min_length=1)


def _name_split(raw: Any) -> str | None:
    method = raw.get("method") if isinstance(raw, dict) else getattr(raw, "method", None)
    return "by_column" if method is None else str(method)


Split = Annotated[
    Annotated[ColumnSplit, Tag("by_column")]
    | Annotated[StratifiedShare, Tag("stratified")]
    | Annotated[LatestShare, Tag("by_time")],
    Discriminator(_name_split),
]
Validation = Annotated[StratifiedShare | LatestShare, Field(discriminator="method")]


class Quality(Described):
    """The dataset's quality metric; ``worst`` counts as 0 and ``best`` as 1."""

    name: QualityName
    worst: float = Field(allow_inf_nan=False)
    best: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_order(self) -> Quality:
        if not self.worst < self.best:
            raise ValueError(f"worst must be below best, but got {self.worst=}, {self.best=}")
        return self


class DatasetFields(Described):
    """What needs no inference, because leaving it out has one meaning.

    ``tables`` names the raw tables, the main one first, each with its catalog entry; a list names
    entries that are called like the tables. ``not_features`` lists columns that repeat the outcome
    or are known only after it. ``max_train_rows`` counts the validation rows too; null keeps all
    rows. ``seed`` draws the kept rows, the validation rows and a random test split.
    """

    tables: dict[str, str] = Field(min_length=1)
    target: Target
    joins: tuple[Join, ...] = ()
    derived: tuple[Derived, ...] = ()
    not_features: tuple[str, ...] = ()
    max_train_rows: int | None = Field(default=None, gt=1)
    max_test_rows: int | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    licence: str = "not stated"
    source: str = "not stated"
    notes: tuple[str, ...] = ()

    @field_validator("tables", mode="before")
    @classmethod
    def _read_tables(cls, tables: Any) -> Any:
        if not isinstance(tables, list | tuple):
            return tables
        if len(set(tables)) < len(tables):
            raise ValueError(f"tables must differ, but got {list(tables)}")
        return {name: name for name in tables}

    @property
    def main_table(self) -> str:
        """Name of the table that holds one row per example."""
        return next(iter(self.tables))


class DatasetSpec(DatasetFields):
    """Everything about one dataset, nothing left to infer."""

    title: str
    task: Task
    schemas: dict[str, TableSchema]
    features: Features
    split: Split
    validation: Validation
    quality: Quality

    def join_keys(self, table: str) -> tuple[str, ...]:
        """Return the columns that must identify a row of ``table``; none for the main table."""
        return next((join.keys for join in self.joins if join.table == table), ())
