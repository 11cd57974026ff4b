from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from rightfit._core.frames import ROW, RawTableError, ScannedTable, Table, scan_table
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.table_check import check_tables
from rightfit_search.tables.tables import cast_without_loss, read_records, read_tables, take_rows

N_ROWS = 50_000
BLOCK: dict[str, Any] = {
    "tables": ["orders", "shops"],
    "joins": [{"table": "shops", "keys": ["shop"], "columns": ["area"]}],
    "target": {"column": "late"},
    "max_train_rows": 4_000,
    "max_test_rows": 2_000,
}


def make_orders() -> pl.DataFrame:
    """Rows in no order of time, with gaps, categories, decimals and texts."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=N_ROWS)
    noise = rng.normal(size=N_ROWS)
    return pl.DataFrame(
        {
            "day": pl.Series(rng.integers(0, 400, N_ROWS), dtype=pl.Int16),
            "weight": pl.Series(weight).set(pl.Series(rng.random(N_ROWS) < 0.08), None),
            "price": pl.Series(rng.integers(1, 99, N_ROWS)).cast(pl.Decimal(10, 2)),
            "kind": pl.Series(rng.choice(["a", "b", "c"], N_ROWS), dtype=pl.Categorical),
            "shop": rng.choice(["n", "s"], N_ROWS),
            "late": np.where(weight + noise > 0.5, "yes", "no"),
        }
    ).with_columns(late=pl.when(pl.col("day") != 7).then("late"))


SHOPS = pl.DataFrame({"shop": ["n", "s"], "area": [10.5, 20.0]})
ORDERS = make_orders()


def scan_parquet(folder: Path) -> pl.LazyFrame:
    ORDERS.write_parquet(folder / "orders.parquet", row_group_size=7_000)
    return pl.scan_parquet(folder / "orders.parquet")


def scan_query(folder: Path) -> pl.LazyFrame:
    """Something that would be computed anew for each column."""
    doubled = pl.concat([ORDERS, ORDERS]).with_row_index("position")
    doubled.write_parquet(folder / "orders.parquet")
    scan = pl.scan_parquet(folder / "orders.parquet")
    return scan.filter(pl.col("position") < N_ROWS).drop("position")


def scan_parts(folder: Path) -> dict[str, pl.LazyFrame]:
    for name, part in (("1", ORDERS[:20_000]), ("2", ORDERS[20_000:])):
        part.write_parquet(folder / f"{name}.parquet")
    return {name: pl.scan_parquet(folder / f"{name}.parquet") for name in ("2", "1")}


def prepare(orders: object, **changes: Any) -> tuple[Any, ...]:
    """Return description, check, assembled rows and counts."""
    block = DatasetBlock.model_validate(BLOCK | changes)
    tables = read_tables(block.tables, [orders, SHOPS])
    complete = complete_block(block, tables, dataset_name="orders")
    reports = check_tables(complete.spec, tables, dataset_name="orders")
    rows, counts = assemble(complete.spec, tables)
    return tables["orders"], complete, reports, rows, counts


@pytest.mark.parametrize("scan", [scan_parquet, scan_query, scan_parts])
def test_scanned_table_is_prepared_as_one_in_memory(
    scan: Callable[[Path], object], tmp_path: Path
) -> None:
    _, *expected, expected_rows, expected_counts = prepare(ORDERS)
    table, *found, rows, counts = prepare(scan(tmp_path))

    assert isinstance(table, ScannedTable)
    assert found == expected
    assert rows.equals(expected_rows)
    assert counts == expected_counts
    assert rows.height == 6_000


@pytest.mark.parametrize(
    "changes",
    [
        {
            "split": {"method": "by_time", "share": 0.2, "time_columns": ["day"]},
            "validation": {"method": "by_time", "share": 0.2, "time_columns": ["day"]},
        },
        {"target": {"column": "weight"}, "task": "regression"},
    ],
    ids=["by time", "regression"],
)
def test_split_of_a_scanned_table_is_that_of_one_in_memory(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    _, _, _, expected, _ = prepare(ORDERS, **changes)
    _, _, _, rows, _ = prepare(scan_parquet(tmp_path), **changes)

    assert rows.equals(expected)


@pytest.mark.parametrize("scan", [scan_parquet, scan_query, scan_parts])
def test_rows_are_taken_in_the_order_asked_for(
    scan: Callable[[Path], object], tmp_path: Path
) -> None:
    table = read_tables({"orders": "orders"}, [scan(tmp_path)])["orders"]
    rows = [4_001, 7, 7, 0, 5_999, 12]

    taken = take_rows(table, ["weight", "shop"], pl.Series(rows))

    assert isinstance(table, ScannedTable)
    assert taken.equals(ORDERS[rows].select("weight", "shop"))


def test_lazy_frame_in_memory_stays_there() -> None:
    assert isinstance(scan_table(SHOPS.lazy()), pl.DataFrame)


def test_rows_are_taken_in_the_tables_order(tmp_path: Path) -> None:
    table: Table = scan_table(scan_parquet(tmp_path))
    assert isinstance(table, ScannedTable)
    rows = pl.Series(ROW, [3, 40_001, 40_001], dtype=pl.UInt32)

    taken = table.take(["day", "kind"], rows)

    assert taken.rows() == [ORDERS.select("day", "kind").row(i) for i in (3, 40_001, 40_001)]
    assert table.height == N_ROWS


UTC_MS = "Datetime(time_unit='ms', time_zone='UTC')"


def test_nan_in_rows_is_missing_as_in_a_pandas_frame() -> None:
    frame = pd.DataFrame(
        {
            "size": [1.5, math.nan],
            "kind": ["a", math.nan],
            "day": pd.to_datetime(["2026-01-01", None]),
            "count": pd.array([1, None], dtype="Int64"),
            "price": [Decimal("2.5"), Decimal("NaN")],
        }
    )

    read = read_records(frame.to_dict("records"), entry="rows")

    assert read.row(0) == (1.5, "a", datetime(2026, 1, 1), 1, Decimal("2.5"))
    assert read.row(1) == (None,) * 5


@pytest.mark.parametrize(
    "records",
    [
        *([{0: 1.0}], [[1, 2, "u"]]),
        *([{"x": number}] for number in (10**400, Decimal("1e400"), Decimal("Infinity"))),
        *([{"x": 0.5}, {"x": moment}] for moment in (date(2026, 1, 1), timedelta(1), time(1))),
    ],
    ids=str,
)
def test_rows_that_make_no_table_are_refused(records: list[object]) -> None:
    with pytest.raises(RawTableError, match="rows must be a table or a list of mappings"):
        read_records(records, entry="rows")


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
        (pl.Series([None], dtype=pl.String), "Float64", [None]),
        (pl.Series([None], dtype=pl.Float64), "String", [None]),
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


@pytest.mark.parametrize(
    "names",
    [
        ["Cars of 2026", "", "_duplicated_0"],
        ["Cars of 2026", "Unnamed: 1", "Unnamed: 2"],
        ["Car", "", "Price", "_duplicated_0"],
    ],
    ids=["polars", "pandas", "merged"],
)
def test_a_title_or_merged_cells_above_the_header_are_told(names: list[str]) -> None:
    table = pl.DataFrame({name: ["km"] for name in names})

    with pytest.raises(RawTableError, match=f"of its {len(names)} columns: a title or merged"):
        read_tables({"cars": "cars"}, [table])


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame, pd.DataFrame])
@pytest.mark.parametrize("name", ["", "*", "^.*$"])
def test_columns_without_a_name_of_their_own_are_refused(
    name: str, kind: Callable[[object], object]
) -> None:
    with pytest.raises(RawTableError, match="sales has columns without a name"):
        read_tables({"sales": "sales"}, [kind({"day": [1], name: [1]})])
