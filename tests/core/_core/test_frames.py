from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest

from rightfit._core.frames import RawTableError, read_frame

TABLE = pl.DataFrame({"size": [1, None], "kind": ["a", None]})


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


def test_numbers_of_rare_width_become_described_ones() -> None:
    frame = pd.DataFrame({"size": np.array([1.5, 2], dtype=np.float16)})
    wide = pl.DataFrame({"count": pl.Series([3, None], dtype=pl.Int128)})

    assert read_frame(frame, entry="orders").schema == {"size": pl.Float32}
    assert read_frame(wide, entry="orders").rows() == [(3.0,), (None,)]
    assert read_frame(wide.lazy(), entry="orders")["count"].dtype == pl.Float64


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1, 2], r"orders must be a table .*, but is of type builtins\.list"),
        ({"june": 1}, r"orders/june must be a table"),
        (pd.DataFrame({"mixed": [1, "a"]}), r"orders has columns of mixed .*'mixed'.*astype"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]),
            r"pandas frame of orders has several columns called \['a'\]",
        ),
        (
            {"1": TABLE, "2": TABLE.rename({"size": "length"})},
            "partitions of orders do not fit together",
        ),
        (
            pyarrow.table({"price": pyarrow.array([Decimal(1)], pyarrow.decimal256(50))}),
            "orders has a column of a kind that is not read",
        ),
    ],
)
def test_what_is_no_table_is_refused_by_name(raw: Any, message: str) -> None:
    with pytest.raises(RawTableError, match=message):
        read_frame(raw, entry="orders")


def test_pandas_is_not_imported_for_polars_frames() -> None:
    code = (
        "import sys, polars as pl; from rightfit._core.frames import read_frame; "
        "read_frame(pl.DataFrame({'a': [1]}), entry='a'); sys.exit('pandas' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
