"""What a raw table must look like: dtypes, gaps, outliers and values of its columns.

A default here is the strict case: no gaps, no outliers.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rightfit.strict_model import MAX_COUNT, MAX_ROWS, MAX_VALUE, StrictModel

INTEGER_DTYPES = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
NUMERIC_DTYPES = (*INTEGER_DTYPES, "Float32", "Float64")
PLAIN_DTYPES = (*NUMERIC_DTYPES, "Boolean", "String", "Binary", "Date")

DATETIME = re.compile(
    r"Datetime\(time_unit='(?P<unit>ms|us|ns)', time_zone=(None|'(?P<zone>[^']+)')\)"
)


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

    min: float = Field(ge=-MAX_VALUE, le=MAX_VALUE)
    max: float = Field(ge=-MAX_VALUE, le=MAX_VALUE)

    @model_validator(mode="after")
    def _check_order(self) -> Bounds:
        if not self.min <= self.max:
            raise ValueError(f"min must not exceed max, but got {self.min=}, {self.max=}")
        return self

    def __str__(self) -> str:
        return f"{self.min:g} to {self.max:g}"


class Values(StrictModel):
    """One of the listed values."""

    values: tuple[Value, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"one of {list(self.values)}"


class ByteLength(StrictModel):
    """Byte strings of exactly this length, in bytes."""

    n_bytes: int = Field(gt=0, le=MAX_COUNT)

    def __str__(self) -> str:
        return f"{self.n_bytes} bytes"


class ColumnGroup(StrictModel):
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


class TableSchema(StrictModel):
    """What a raw table must look like. Columns that are not described are ignored."""

    min_rows: int = Field(default=1, gt=0, le=MAX_ROWS)
    columns: tuple[ColumnGroup, ...] = Field(min_length=1)

    def by_column(self) -> dict[str, ColumnGroup]:
        """Return the group of each described column."""
        return {name: group for group in self.columns for name in group.names}
