"""The parts of a dataset's description (``description.py``): joins, target, features, split."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from rightfit.families.schema import Task
from rightfit.preparation.table_schema import refuse_truth_value, require_time_zone
from rightfit.strict_model import MAX_VALUE, StrictModel


def _read_class_name(value: Any) -> Any:
    return str(value) if type(value) is int else refuse_truth_value(value)


ClassName = Annotated[str, BeforeValidator(_read_class_name)]
Side = Annotated[int, Field(ge=1, le=65_536)]  # of an image, or its channels


class Join(StrictModel):
    """A left join that adds ``columns`` of a further table, named with ``prefix``."""

    table: str
    keys: tuple[str, ...] = Field(min_length=1)  # "on" would be a truth value in YAML
    columns: tuple[str, ...] = Field(min_length=1)
    prefix: str = ""


class Weekday(StrictModel):
    """Day of the week of a time, 1 = Monday, as seen in ``time_zone`` (null: as stored)."""

    op: Literal["weekday"]
    name: str
    column: str
    time_zone: Annotated[str, AfterValidator(require_time_zone)] | None = None


class ClockMinutes(StrictModel):
    """Minutes since midnight of a clock time written as the integer HHMM."""

    op: Literal["clock_minutes"]
    name: str
    column: str


Derived = Annotated[Weekday | ClockMinutes, Field(discriminator="op")]


class Target(StrictModel):
    """What is predicted.

    In regression it is the column's value itself. In classification, with ``at_least`` null, the
    column's values are the class names; otherwise the second of two classes means that the value
    reaches ``at_least``. Without ``classes`` they are the column's values, in order. Rows without a
    value are dropped.
    """

    column: str
    at_least: float | None = Field(default=None, ge=-MAX_VALUE, le=MAX_VALUE)
    classes: tuple[ClassName, ...] = ()

    @model_validator(mode="after")
    def _check_classes(self) -> Target:
        if len(self.classes) == 1:
            raise ValueError(f"classes must name at least two, but got {self.classes}")
        if self.at_least is not None and len(self.classes) not in (0, 2):
            raise ValueError(f"at_least needs two classes (below, reached), got {self.classes}")
        return self


class Image(StrictModel):
    """A binary column that holds one image a row.

    With the format ``pixels`` it is uint8, row by row, channels last; with ``file`` a PNG or JPEG
    file of any size, which is decoded and resized to ``shape``: height, width, channels.
    """

    column: str
    shape: tuple[Side, Side, Side]
    format: Literal["pixels", "file"] = "pixels"

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape)


class Features(StrictModel):
    """What a model is fed: either columns of a table or one image.

    Numeric columns are filled with the training median and standardised; ``indicate_missing``
    names those that also get a 0/1 column. A category gives 0/1 columns; those rarer than
    ``min_category_share`` of the training rows share one with unknown and missing ones. With
    ``target_means``, in regression, a column of six or more also gives a number: the target's mean
    in the training rows that have the category, if these differ by more than chance. A ``text``
    gives the TF-IDF of its ``max_words`` most frequent words. The lists may hold patterns; ``*`` in
    one of them stands for all other columns of that kind.
    """

    numeric: tuple[str, ...] = ()
    indicate_missing: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    max_words: int = Field(default=1_000, ge=1, le=10_000)
    min_category_share: float = Field(default=0.01, ge=0, lt=1)
    target_means: bool = True
    image: Image | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns read, in order."""
        image = (self.image.column,) if self.image else ()
        return (*self.numeric, *self.categorical, *self.text, *image)


class ColumnSplit(StrictModel):
    """The documented split: a column and the two values that matter."""

    column: str
    train: bool | int | str
    test: bool | int | str


class StratifiedShare(StrictModel):
    """A random share of the rows, the same share of each class, or of each tenth of the values."""

    method: Literal["stratified"]
    share: float = Field(gt=0, lt=1)


class RandomShare(StrictModel):
    """A random share of the rows."""

    method: Literal["random"]
    share: float = Field(gt=0, lt=1)


class LatestShare(StrictModel):
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
    | Annotated[RandomShare, Tag("random")]
    | Annotated[LatestShare, Tag("by_time")],
    Discriminator(_name_split),
]
Validation = Annotated[StratifiedShare | RandomShare | LatestShare, Field(discriminator="method")]


def draw_share(task: Task, share: float) -> StratifiedShare | RandomShare:
    """Return the usual way to draw a share of the rows: of each class the same, or of all."""
    if task == "regression":
        return RandomShare(method="random", share=share)
    return StratifiedShare(method="stratified", share=share)
