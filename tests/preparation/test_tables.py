from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rightfit.preparation.assembling import assemble
from rightfit.preparation.block import complete_block
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.frames import read_tables
from rightfit.preparation.table_check import check_tables
from rightfit.preparation.tables import ROW, ScannedTable, Table, scan_table

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


def test_lazy_frame_in_memory_stays_there() -> None:
    assert isinstance(scan_table(SHOPS.lazy()), pl.DataFrame)


def test_rows_are_taken_in_the_tables_order(tmp_path: Path) -> None:
    table: Table = scan_table(scan_parquet(tmp_path))
    assert isinstance(table, ScannedTable)
    rows = pl.Series(ROW, [3, 40_001], dtype=pl.UInt32)

    taken = table.take(["day", "kind"], rows)

    assert taken.rows() == [ORDERS.select("day", "kind").row(i) for i in (3, 40_001)]
    assert table.height == N_ROWS
