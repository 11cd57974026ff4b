from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from rightfit._core.frames import RawTableError
from rightfit_search.tables.assembling import (
    DroppedRows,
    RowCounts,
    add_label,
    assemble,
    derive,
    label_rows,
    read_deciding,
)
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import Target, Weekday
from rightfit_search.tables.splitting import latest_rows

Describe = Callable[..., DatasetSpec]
Tables = dict[str, pl.DataFrame]


def test_rows_hold_joined_and_derived_features_in_the_main_tables_order(
    describe: Describe, tables: Tables
) -> None:
    rows, _ = assemble(describe(), tables)

    assert rows.columns == ["minute", "load", "place_height", "vehicle", "label", "part"]
    assert rows["minute"].to_list() == [360, 420, 360, 425, 360, 360, 360, 360]
    assert rows["place_height"].to_list() == [10.0, 20.0, 10.0, None, 10.0, None, 10.0, 20.0]
    assert rows["label"].to_list() == [0, 1, 1, 0, 1, 0, 1, 0]
    assert rows["part"].to_list() == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def test_rows_read_dropped_and_unmatched_are_counted(describe: Describe, tables: Tables) -> None:
    _, counts = assemble(describe(), tables)

    assert counts == RowCounts(
        read=9,
        dropped=(DroppedRows(reason="delay is missing", n_rows=1),),
        kept=8,
        unmatched={"places": 2},
    )


def test_derived_column_that_cannot_be_computed_is_named(
    describe: Describe, tables: Tables
) -> None:
    words = describe(**{"derived.0.column": "vehicle"})

    with pytest.raises(RawTableError, match=r"column minute \(clock_minutes of vehicle\) cannot"):
        assemble(words, tables)


def test_repeated_join_key_never_multiplies_rows(describe: Describe, tables: Tables) -> None:
    tables["places"] = pl.concat([tables["places"]] * 2)

    with pytest.raises(pl.exceptions.ComputeError, match="m:1"):
        assemble(describe(), tables)


def test_null_key_matches_nothing(describe: Describe, tables: Tables) -> None:
    nowhere = pl.DataFrame({"place": [None], "height": [99.0]}, schema=tables["places"].schema)
    tables["places"] = pl.concat([tables["places"], nowhere])

    rows, _ = assemble(describe(), tables)

    assert 99.0 not in rows["place_height"].to_list()


def test_label_is_the_position_among_the_classes() -> None:
    target = Target(column="kind", at_least=None, classes=("7", "3"))
    main = pl.DataFrame({"kind": [3, 7, None, 3], "label": ["x"] * 4})

    assert add_label(main, target)["label"].to_list() == [1, 0, 1]


@pytest.mark.parametrize(
    ("time_zone", "weekday"),
    [("America/New_York", 1), ("UTC", 2), (None, 2)],  # Monday evening there, Tuesday in UTC
)
def test_weekday_is_that_of_the_time_zone(time_zone: str | None, weekday: int) -> None:
    times = pl.DataFrame({"time": [datetime(2013, 1, 8, 2, tzinfo=UTC)]})
    derived = Weekday(op="weekday", name="weekday", column="time", time_zone=time_zone)

    assert times.select(derive(derived))["time"].to_list() == [weekday]


def test_columns_that_name_groups_decide_on_the_parts(
    describe: Callable[..., DatasetSpec], tables: dict[str, pl.DataFrame]
) -> None:
    by_group = {"method": "by_group", "share": 0.25, "group_columns": ["vehicle"]}

    rows = label_rows(describe(validation=by_group), tables["trips"])

    assert rows["vehicle"].to_list()[:2] == ["bus", "car"]


@pytest.mark.parametrize(
    "texts",
    [
        # the alphabet has 02.02. before 31.01.
        ["31.01.2024 08:00", "02.02.2024", "01.03.2024", "2.10.2024 07:00"],
        ["1/31/2024", "2/2/2024", "11/3/2024", "12/30/2024"],
        ["2024-01-31T08:00:07", "2024-01-31T08:00:08", "2024-10-01", "2024-10-02"],
        ["shift 1", "shift 2", "shift 3", "shift 4"],
    ],
)
def test_split_by_time_orders_dates_as_texts_in_time(
    texts: list[str], describe: Callable[..., DatasetSpec]
) -> None:
    by_time = {"method": "by_time", "share": 0.25, "time_columns": ["place"]}
    # each time twice, the latest first, and one unknown
    rows = pl.DataFrame({"place": [*reversed(texts), *texts, None], "delay": [0, 45] * 4 + [0]})
    spec = describe(validation=by_time, split=by_time)

    deciding = read_deciding(spec, rows)

    assert latest_rows(deciding, ("place",), share=0.25).nonzero()[0].tolist() == [0, 7]
