"""The parts of a dataset's description (``description.py``).

First what its raw tables must look like: dtypes, gaps, outliers and values of their columns. A
default there is the strict case: no gaps, no outliers. Then joins, target, features and split, and
the patterns that lists of columns may hold: ``v*``, ``v1..v180``, ``*``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from rightfit._core.strict_model import MAX_COUNT, MAX_ROWS, MAX_VALUE, StrictModel
from rightfit.data.request_path.encoder import Notation
from rightfit.models.schema import Task

INTEGER_DTYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
NUMERIC_DTYPES = (*INTEGER_DTYPES, "Float32", "Float64")
PLAIN_DTYPES = (*NUMERIC_DTYPES, "Boolean", "String", "Binary", "Date")
ALL_OTHERS = "*"  # all columns named nowhere else

DATETIME = re.compile(
    r"Datetime\(time_unit='(?P<unit>ms|us|ns)', time_zone=(None|'(?P<zone>[^']+)')\)"
)
_RANGE = re.compile(r"(?P<prefix>.*?)(?P<first>\d+)\.\.(?P=prefix)(?P<last>\d+)")


def require_time_zone(name: str) -> str:
    """Return the name of a time zone if the system's database has it, or there is no database.

    Raises:
        ValueError: If there is no such zone.

    >>> require_time_zone("America/New_York")
    'America/New_York'
    """
    if not _has_zone(name) and _has_zone("UTC"):
        raise ValueError(
            f"there is no time zone {name!r}; write it as in the time zone database: America/"
            "New_York, or UTC"
        )
    return name


def _has_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def refuse_truth_value(value: Any) -> Any:
    """Refuse what YAML made of an unquoted ``yes`` or ``no``."""
    if isinstance(value, bool):
        raise ValueError(
            f"YAML reads yes, no, on, off, true and false as truth values, and got {value}; "
            'quote them, as in ["no", "yes"]'
        )
    return value


Value = Annotated[int | str, BeforeValidator(refuse_truth_value)]


class Bounds(StrictModel):
    """Numbers from ``min`` to ``max``, both included."""

    min: float = Field(ge=-MAX_VALUE, le=MAX_VALUE)  # smallest allowed value, in the column's unit
    max: float = Field(ge=-MAX_VALUE, le=MAX_VALUE)  # largest allowed value

    @model_validator(mode="after")
    def _check_order(self) -> Bounds:
        if not self.min <= self.max:
            raise ValueError(f"min must not exceed max, but got min: {self.min}, max: {self.max}")
        return self

    def __str__(self) -> str:
        return f"{self.min:g} to {self.max:g}"


class Values(StrictModel):
    """One of the listed values."""

    values: tuple[Value, ...] = Field(min_length=1)  # all allowed values

    def __str__(self) -> str:
        return f"one of {list(self.values)}"


class ByteLength(StrictModel):
    """Byte strings of exactly this length, in bytes."""

    n_bytes: int = Field(gt=0, le=MAX_COUNT)  # length of every value, in bytes

    def __str__(self) -> str:
        return f"{self.n_bytes} bytes"


class ColumnGroup(StrictModel):
    """Raw columns that must look alike.

    ``names`` may hold patterns. ``dtype`` is polars' own spelling, such as ``Int16`` or
    ``Datetime(time_unit='ms', time_zone='UTC')``; a column that fits it without loss is cast. A
    share is a fraction of the table's rows. Values outside ``allowed`` that ``max_outlier_share``
    tolerates become null and are counted.
    """

    # columns, or patterns of their names: `v*`, `v1..v180`
    names: tuple[str, ...] = Field(min_length=1)
    dtype: str  # type, as polars writes it: `Int16`, `String`
    # of numbers written as texts, as in `1,234.5` or `12 km`: their decimal mark, and behind it the
    # unit if they have one: `.`, `. km`; null: no texts
    decimal: Notation | None = None
    allowed: Bounds | Values | ByteLength | Literal["any"] = "any"  # values that are no outliers
    max_null_share: float = Field(default=0.0, ge=0, le=1)  # share of rows that may lack a value
    # share of rows whose value may lie outside `allowed`
    max_outlier_share: float = Field(default=0.0, ge=0, lt=1)

    @field_validator("dtype")
    @classmethod
    def _check_dtype(cls, dtype: str) -> str:
        time = DATETIME.fullmatch(dtype)
        if time is not None and time["zone"] is not None:
            require_time_zone(time["zone"])
        elif time is None and dtype not in PLAIN_DTYPES:
            raise ValueError(
                f"dtype must be one of {', '.join(PLAIN_DTYPES)} or, for example, "
                f"Datetime(time_unit='ms', time_zone='UTC'), but got {dtype!r}"
            )
        return dtype

    @model_validator(mode="after")
    def _check_allowed(self) -> ColumnGroup:
        if self.decimal and self.dtype not in NUMERIC_DTYPES:
            raise ValueError(f"decimal needs a numeric dtype, but got {self.dtype}")
        if isinstance(self.allowed, Bounds) and self.dtype not in NUMERIC_DTYPES:
            raise ValueError(f"min and max need a numeric dtype, but got {self.dtype}")
        if isinstance(self.allowed, ByteLength) and self.dtype != "Binary":
            raise ValueError(f"n_bytes needs the dtype Binary, but got {self.dtype}")
        if isinstance(self.allowed, Values):
            kind = str if self.dtype == "String" else int if self.dtype in INTEGER_DTYPES else None
            if kind is None or not all(type(value) is kind for value in self.allowed.values):
                raise ValueError(
                    "values must be texts for the dtype String or integers for an integer dtype, "
                    f"but got {self.allowed.values} for the dtype {self.dtype}"
                )
        return self


class TableSchema(StrictModel):
    """Rows and columns that a raw table must have; columns that are not described are ignored."""

    min_rows: int = Field(default=1, gt=0, le=MAX_ROWS)  # fewest rows the table may have
    columns: tuple[ColumnGroup, ...] = Field(min_length=1)  # groups of columns that look alike

    def by_column(self) -> dict[str, ColumnGroup]:
        """Return the group of each described column."""
        return {name: group for group in self.columns for name in group.names}


def _read_class_name(value: Any) -> Any:
    return str(value) if type(value) is int else refuse_truth_value(value)


ClassName = Annotated[str, BeforeValidator(_read_class_name)]
Side = Annotated[int, Field(ge=1, le=65_536)]  # of an image, or its channels


class Join(StrictModel):
    """A left join that adds ``columns`` of a further table, named with ``prefix``."""

    table: str  # name of a further table, from `tables`
    keys: tuple[str, ...] = Field(min_length=1)  # "on" would be a truth value in YAML
    columns: tuple[str, ...] = Field(min_length=1)  # its columns to add
    prefix: str = ""  # put before their names


class Weekday(StrictModel):
    """Day of the week of a time, 1 = Monday, as seen in ``time_zone`` (null: as stored)."""

    op: Literal["weekday"]
    name: str  # of the new column
    column: str  # time it is computed from
    # in which the day is read; null: as stored
    time_zone: Annotated[str, AfterValidator(require_time_zone)] | None = None


class ClockMinutes(StrictModel):
    """Minutes since midnight of a clock time written as the integer HHMM."""

    op: Literal["clock_minutes"]
    name: str  # of the new column
    column: str  # clock time as the integer HHMM


Derived = Annotated[Weekday | ClockMinutes, Field(discriminator="op")]


class Target(StrictModel):
    """The column that is predicted, and its classes.

    In regression it is the column's value itself. In classification, with ``at_least`` null, the
    column's values are the class names; otherwise the second of two classes means that the value
    reaches ``at_least``. Without ``classes`` they are the column's values, in order. Rows without a
    value are dropped.
    """

    column: str  # column to predict
    # predict whether the value reaches this; null: the value itself
    at_least: float | None = Field(default=None, ge=-MAX_VALUE, le=MAX_VALUE)
    classes: tuple[ClassName, ...] = ()  # names of the classes, in the order of the outputs

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

    column: str  # binary column with one image a row
    shape: tuple[Side, Side, Side]  # height, width, channels
    format: Literal["pixels", "file"] = "pixels"  # raw bytes row by row, or PNG and JPEG files

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape)


class Features(StrictModel):
    """The input of a model: either columns of a table or one image.

    Numeric columns are filled with the training median and standardised; ``indicate_missing``
    names those that also get a 0/1 column. A category gives 0/1 columns; those rarer than
    ``min_category_share`` of the training rows share one with unknown and missing ones. With
    ``target_means``, in regression, a column of six or more also gives a number: the target's mean
    in the training rows that have the category, if it tells something; so do, in any task, columns
    of many rare values, the share of each class in classification. A ``text``
    gives the TF-IDF of its ``max_words`` most frequent words. A ``date``, a time or a text, gives
    year, month, weekday, hour and days since 1970; texts that do not begin with the year begin with
    the day, or with the month where ``month_first`` names the column. The lists may hold patterns;
    ``*`` in one of them stands for all other columns of that kind.
    """

    numeric: tuple[str, ...] = ()  # columns read as numbers; gaps get the training median
    indicate_missing: tuple[str, ...] = ()  # numeric columns that also get a 0/1 column for gaps
    categorical: tuple[str, ...] = ()  # columns of categories, a 0/1 column each
    text: tuple[str, ...] = ()  # columns of free text, as TF-IDF of words
    date: tuple[str, ...] = ()  # columns of times, or of texts that are dates
    month_first: tuple[str, ...] = ()  # dates whose texts begin with the month
    # most frequent words kept of a text column
    max_words: int = Field(default=1_000, ge=1, le=10_000)
    # rarer categories share one column, with unknown ones
    min_category_share: float = Field(default=0.01, ge=0, lt=1)
    target_means: bool = True  # regression: also a number for each category, the target's mean
    image: Image | None = None  # a column of images instead of the lists above

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns read, in order."""
        image = (self.image.column,) if self.image else ()
        return (*self.numeric, *self.categorical, *self.text, *self.date, *image)


class ColumnSplit(StrictModel):
    """The documented split: a column and the two values that matter."""

    column: str  # column that says which part a row belongs to
    train: bool | int | str  # its value in train rows
    test: bool | int | str  # its value in test rows


class StratifiedShare(StrictModel):
    """A random share of the rows, the same share of each class, or of each tenth of the values."""

    method: Literal["stratified"]
    share: float = Field(gt=0, lt=1)  # of the rows that are kept aside


class RandomShare(StrictModel):
    """A random share of the rows."""

    method: Literal["random"]
    share: float = Field(gt=0, lt=1)  # of the rows that are kept aside


class LatestShare(StrictModel):
    """The last share of the rows, ordered by columns of the main table."""

    method: Literal["by_time"]
    share: float = Field(gt=0, lt=1)  # of the rows that are kept aside
    # columns of the main table that order the rows in time
    time_columns: tuple[str, ...] = Field(min_length=1)


class GroupShare(StrictModel):
    """The rows of some groups, drawn at random until they are a share of all rows."""

    method: Literal["by_group"]
    share: float = Field(gt=0, lt=1)  # of the rows that are kept aside
    # columns of the main table that name a row's group
    group_columns: tuple[str, ...] = Field(min_length=1)


def _name_split(raw: Any) -> str | None:
    method = raw.get("method") if isinstance(raw, dict) else getattr(raw, "method", None)
    return "by_column" if method is None else str(method)


Split = Annotated[
    Annotated[ColumnSplit, Tag("by_column")]
    | Annotated[StratifiedShare, Tag("stratified")]
    | Annotated[RandomShare, Tag("random")]
    | Annotated[LatestShare, Tag("by_time")]
    | Annotated[GroupShare, Tag("by_group")],
    Discriminator(_name_split),
]
Validation = Annotated[
    StratifiedShare | RandomShare | LatestShare | GroupShare, Field(discriminator="method")
]


def draw_share(task: Task, share: float) -> StratifiedShare | RandomShare:
    """Return the usual way to draw a share of the rows: of each class the same, or of all."""
    if task == "regression":
        return RandomShare(method="random", share=share)
    return StratifiedShare(method="stratified", share=share)


def is_wildcard(name: str) -> bool:
    """Return whether a name can only be resolved against a table's columns."""
    return "*" in name or "?" in name


def expand_names(
    names: Iterable[str], columns: Sequence[str], *, excluded: Collection[str] = ()
) -> tuple[str, ...]:
    """Replace patterns by the columns they match.

    Args:
        names: Column names, ranges such as ``v1..v180`` and wildcards: ``*`` stands for any
            characters, ``?`` for one.
        columns: The columns of the table, in order.
        excluded: Columns that no wildcard matches; they can still be named in full.

    Returns:
        Column names; what a wildcard matches comes in the table's order. A wildcard without a match
        stays as it is, so that a later check names it.

    >>> expand_names(["v*", "size"], ["v1", "size", "v2"])
    ('v1', 'v2', 'size')
    >>> expand_names(["v08..v11"], [])
    ('v08', 'v09', 'v10', 'v11')
    """
    expanded: list[str] = []
    for name in names:
        if name in columns:  # though it may look like a pattern
            expanded.append(name)
        elif numbers := _RANGE.fullmatch(name):
            prefix, first, last = numbers.group("prefix", "first", "last")
            n_digits = len(first) if first.startswith("0") else 0
            expanded += [f"{prefix}{i:0{n_digits}d}" for i in range(int(first), int(last) + 1)]
        elif is_wildcard(name):
            pattern = "(?s)" + re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
            matching = [c for c in columns if c not in excluded and re.fullmatch(pattern, c)]
            expanded += matching or [name]
        else:
            expanded.append(name)
    return tuple(expanded)
