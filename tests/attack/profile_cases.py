"""Stored profiles altered field by field: what nothing can have measured is refused by name."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl

VALUES: Mapping[str, Any] = {
    "null": None, "a text": "nonsense", "an empty text": "", "true": True, "a list": [1],
    "a struct": {"nonsense": 1}, "a date": date(2020, 1, 1), "bytes": b"\xff",
    "a decimal": Decimal("1.5"), "NaN": math.nan, "infinity": math.inf, "minus infinity": -math.inf,
    "a negative number": -1.0, "zero": 0.0, "a huge number": 1e300, "a negative count": -1,
}  # fmt: skip
NUMBERS = ("NaN", "infinity", "minus infinity")
NOT_POSSIBLE = ("a negative number", "a huge number", "a negative count")


@dataclass(frozen=True)
class ProfileCase:
    """A table of profiles with another value in each row of a column.

    Args:
        column: The column.
        value: Name in :data:`VALUES`.
    """

    column: str
    value: str

    def __str__(self) -> str:
        return f"profiles with {self.value} as {self.column}"

    @property
    def must_fail(self) -> bool:
        """Whether nothing can have measured that, whatever the metric."""
        from rightfit.api.profile_check import POSSIBLE
        from rightfit.measuring.profile import LEVEL_ERROR, profiles_schema

        dtype = profiles_schema()[self.column]
        name = self.column.removesuffix("_low").removesuffix("_high")
        if dtype in (pl.Float64, pl.Int64):
            is_bounded = dtype == pl.Int64 or POSSIBLE.get(name) != "any"
            is_zero = self.value == "zero" and dtype == pl.Int64
            # an interval may be so wide that it tells nothing
            is_error = self.column in (f"{name}_low", f"{name}_high", LEVEL_ERROR)
            is_bounded &= not (is_error and self.value == "a huge number")
            is_impossible = self.value in NOT_POSSIBLE and is_bounded
            is_other = isinstance(VALUES[self.value], str | bool | list | dict | date | bytes)
            return self.value in NUMBERS or is_impossible or is_zero or is_other
        if self.value == "null":
            return False  # it may be missing, or a key: then it is refused
        fits = {pl.String: str, pl.Boolean: bool}.get(dtype.base_type(), dict)
        return not isinstance(VALUES[self.value], fits)


def list_cases() -> Iterator[ProfileCase]:
    """List every column with every value."""
    from rightfit.measuring.profile import profiles_schema

    for column in profiles_schema():
        for value in VALUES:
            yield ProfileCase(column, value)


@cache
def make_table() -> pl.DataFrame:
    """Return good profiles with all columns."""
    from factories.reports import make_profiles

    from rightfit.measuring.profile import complete_columns

    return complete_columns(make_profiles().head(8))


def try_profiles(case: ProfileCase) -> tuple[str, str]:
    """Check and show altered profiles; return the kind of outcome and what was said."""
    import rightfit as rf
    from rightfit.api.profile_check import check_table

    value = VALUES[case.value]
    content = [value] * make_table().height
    try:
        table = check_table(make_table().with_columns(pl.Series(case.column, content)), "the table")
        repr(rf.Profiles(table))
        rf.Profiles(table).summary()
    except rf.RightfitError as err:
        is_named = case.column in str(err) or "twice" in str(err)
        return ("clear" if is_named else "tracebacks"), str(err)
    except Exception:
        return "tracebacks", traceback.format_exc()
    return ("accepted_wrongly" if case.must_fail else "clear"), f"taken: {value!r:.60}"
