from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest

from rightfit.preparation.frames import RawTableError, cast_without_loss, read_frame, read_tables

TABLE = pl.DataFrame({"size": [1, None], "kind": ["a", None]})
UTC_MS = "Datetime(time_unit='ms', time_zone='UTC')"


@pytest.mark.parametrize(
    "raw",
    [
        TABLE,
        TABLE.lazy(),
        TABLE.to_arrow(),
        {"2": TABLE.tail(1), "1": TABLE.head(1)},
        {"1": lambda: TABLE.head(1), "2": lambda: TABLE.tail(1)},
        {"1": TABLE.head(1).lazy(), "2": TABLE.tail(1)},
        pd.DataFrame({"size": pd.array([1, None], dtype="Int64"), "kind": ["a", None]}),
    ],
    ids=["polars", "lazy", "arrow", "partitions", "loaders", "lazy partition", "pandas"],
)
def test_whatever_an_entry_loads_becomes_one_frame(raw: Any) -> None:
    table = read_frame(raw, entry="orders")

    assert table.select(table.columns).equals(TABLE)


def test_pandas_dtypes_become_plain_ones() -> None:
    frame = pd.DataFrame(
        {
            "gap": [1.5, None],
            "text": pd.Series(["a", None], dtype=object),
            "category": pd.Categorical(["x", None]),
            "flag": pd.array([True, None], dtype="boolean"),
            "time": pd.to_datetime(["2026-01-01", None], utc=True),
        }
    ).set_axis([7, 9])

    read = read_frame(frame, entry="orders")

    assert read.to_dict(as_series=False) == {
        "gap": [1.5, None],
        "text": ["a", None],
        "category": ["x", None],
        "flag": [True, None],
        "time": [datetime(2026, 1, 1, tzinfo=UTC), None],
    }
    assert read["category"].dtype == pl.String


def test_polars_categories_become_texts_and_decimals_numbers() -> None:
    frame = pl.DataFrame(
        {"kind": pl.Series(["a"], dtype=pl.Categorical), "price": [Decimal("1.50")]}
    )

    assert read_frame(frame, entry="orders").rows() == [("a", 1.5)]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1, 2], r"orders must be a table .*, but is of type builtins\.list"),
        ({"june": 1}, r"orders/june must be a table"),
        (pd.DataFrame({"mixed": [1, "a"]}), r"orders has columns of mixed .*'mixed'.*astype"),
        (
            {"1": TABLE, "2": TABLE.rename({"size": "length"})},
            "partitions of orders do not fit together",
        ),
    ],
)
def test_what_is_no_table_is_refused_by_name(raw: Any, message: str) -> None:
    with pytest.raises(RawTableError, match=message):
        read_frame(raw, entry="orders")


@pytest.mark.parametrize(
    ("column", "dtype", "cast"),
    [
        (pl.Series([1, None]), "Int16", [1, None]),
        (pl.Series([1.0, None]), "Int16", [1, None]),
        (pl.Series([1.5]), "Int16", None),
        (pl.Series([300]), "UInt8", None),
        (pl.Series([2**53 + 1]), "Float64", None),
        (pl.Series([0.1]), "Float32", [pytest.approx(0.1)]),
        (pl.Series([0, 1]), "Boolean", [False, True]),
        (pl.Series([0, 2]), "Boolean", None),
        (pl.Series([None]), "String", [None]),
        (pl.Series(["1"]), "Int16", None),
        (pl.Series([1]), "String", None),
        (pl.Series(["2026-01-01 05:00:00"]), UTC_MS, [datetime(2026, 1, 1, 5, tzinfo=UTC)]),
        (pl.Series(["soon"]), UTC_MS, None),
        (pl.Series([datetime(2026, 1, 1)]), UTC_MS, None),
        (pl.Series(["2026-01-01"]), "Date", [datetime(2026, 1, 1).date()]),
    ],
)
def test_cast_changes_no_value(column: pl.Series, dtype: str, cast: list[Any] | None) -> None:
    found = cast_without_loss(column, dtype)

    if cast is None:
        assert found is None
    else:
        assert found is not None
        assert (str(found.dtype), found.to_list()) == (dtype, cast)


def test_pandas_is_not_imported_for_polars_frames() -> None:
    code = (
        "import sys, polars as pl; from rightfit.preparation.frames import read_frame; "
        "read_frame(pl.DataFrame({'a': [1]}), entry='a'); sys.exit('pandas' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["", "*", "^.*$"])
def test_columns_without_a_name_of_their_own_are_refused(name: str) -> None:
    with pytest.raises(RawTableError, match="The table sales has columns without a name"):
        read_tables({"orders": "sales"}, [pl.DataFrame({name: [1]})])
