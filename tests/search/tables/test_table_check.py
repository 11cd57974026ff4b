from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import ColumnGroup, TableSchema
from rightfit_search.tables.table_check import (
    ColumnReport,
    check_tables,
    clean_table,
    find_column_faults,
    find_table_faults,
)

Describe = Callable[..., DatasetSpec]
Tables = dict[str, pl.DataFrame]


def group(dtype: str, allowed: Any, **shares: float) -> ColumnGroup:
    tolerated = {"max_null_share": 0.0, "max_outlier_share": 0.0, **shares}
    return ColumnGroup.model_validate(
        {"names": ["x"], "dtype": dtype, "allowed": allowed, **tolerated}
    )


def test_tables_that_fit_are_reported(describe: Describe, tables: Tables) -> None:
    report = check_tables(describe(), tables, dataset_name="travel")

    assert list(report) == ["trips", "places"]
    assert report["trips"].n_rows == 9
    assert report["trips"].columns["load"] == ColumnReport(null_share=0.222222, n_outliers=0)


@pytest.mark.parametrize(
    ("values", "described", "message"),
    [
        ([1, 2], group("Int64", {"min": 1, "max": 2}), None),
        ([1.5], group("Int64", "any"), "allowed is dtype Int64, but got Float64"),
        ([0, 3, 3], group("Int64", {"min": 1, "max": 2}), r"1 to 2 .* 3 of 3 rows .* \[0, 3\]"),
        (["a", "c"], group("String", {"values": ["a", "b"]}), r"one of \['a', 'b'\].*\['c'\]"),
        ([7, 9], group("Int64", {"values": [7, 8]}), r"one of \[7, 8\].*\[9\]"),
        ([b"abcd", b"abc"], group("Binary", {"n_bytes": 4}), r"4 bytes .* such as \[3\]"),
        ([1, None], group("Int64", "any", max_null_share=0.5), None),
        ([1, None], group("Int64", "any", max_null_share=0.4), r"at most 0.4, but got 0.5 \(1 of"),
        ([None, 5], group("Int64", {"min": 5, "max": 5}, max_null_share=0.5), None),
        ([1.0, float("nan")], group("Float64", "any"), "got NaN or infinity in 1 row"),
        ([1.0, float("inf")], group("Float64", {"min": 0, "max": 2}), "NaN or infinity in 1 row"),
        ([1, 2, 3, 9], group("Int64", {"min": 1, "max": 3}, max_outlier_share=0.25), None),
        ([1, 2, 8, 9], group("Int64", {"min": 1, "max": 3}, max_outlier_share=0.25), r"\[8, 9\]"),
    ],
)
def test_column_is_compared_with_its_description(
    values: list[Any], described: ColumnGroup, message: str | None
) -> None:
    faults = find_column_faults(pl.Series("x", values), described)

    if message is None:
        assert faults == []
    else:
        assert len(faults) == 1
        assert pl.Series(faults).str.contains(message).all(), faults


def test_renamed_column_is_named_with_its_possible_new_name(
    describe: Describe, tables: Tables
) -> None:
    tables["trips"] = tables["trips"].rename({"clock": "watch"})

    with pytest.raises(
        ValueError, match=r"column 'clock' of dtype Int16 is missing; .*\['watch'\]"
    ):
        check_tables(describe(), tables, dataset_name="travel")


def test_undescribed_column_is_allowed(describe: Describe, tables: Tables) -> None:
    tables["trips"] = tables["trips"].with_columns(remark=pl.lit("fine"))

    assert check_tables(describe(), tables, dataset_name="travel")["trips"].n_rows == 9


def test_all_faults_of_all_tables_are_reported_at_once(describe: Describe, tables: Tables) -> None:
    tables["trips"] = (
        tables["trips"].head(3).with_columns(day=pl.lit(32, dtype=pl.Int16), load=pl.lit("heavy"))
    )
    tables["places"] = pl.concat([tables["places"], tables["places"].head(1)])

    with pytest.raises(ValueError, match="raw table trips of the dataset travel") as caught:
        check_tables(describe(), tables, dataset_name="travel")

    message = str(caught.value)
    for part in (
        "at least 4 rows, but got 3 (truncated?)",
        "column 'day': allowed is 1 to 31",
        "column 'load': allowed is dtype Float64, but got String",
        "column 'split': the split needs rows of ['train', 'test'], but got none of ['test']",
        "without one data/01_raw/trips.parquet), or, if the data are right, datasets.travel.",
        "raw table places of the dataset travel",
        "columns ['place']: allowed is one row per key, but 2 rows share a key, such as ('A',)",
        "without one data/01_raw/places.parquet",
    ):
        assert part in message


def test_value_that_is_no_class_is_reported(describe: Describe, tables: Tables) -> None:
    spec = describe(
        target={"column": "vehicle", "at_least": None, "classes": ["bus", "car"]},
        features__categorical=[],
    )

    with pytest.raises(ValueError, match=r"classes \['bus', 'car'\], but got also \['boat'\]"):
        check_tables(spec, tables, dataset_name="travel")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1e38, r"'load': allowed are numbers up to 1e\+37.*got 9 larger"),
        (b"1", "but got Binary"),
    ],
    ids=["too large", "no number"],
)
def test_value_that_no_model_can_answer_is_reported(
    value: object, message: str, describe: Describe, tables: Tables
) -> None:
    spec = describe(
        task="regression",
        target={"column": "load"},
        features__numeric=["minute", "place_height"],
        features__indicate_missing=[],
        quality={"name": "r2", "worst": 0.0, "best": 1.0},
    )
    tables["trips"] = tables["trips"].with_columns(load=pl.lit(value))

    with pytest.raises(ValueError, match=message):
        check_tables(spec, tables, dataset_name="travel")


def test_empty_table_is_a_fault_and_no_crash(describe: Describe, tables: Tables) -> None:
    faults = find_table_faults(tables["trips"].clear(), describe().schemas["trips"], ())

    assert faults == ["allowed are at least 4 rows, but got 0 (truncated?)"]


def test_tolerated_outliers_become_null_and_others_stay() -> None:
    tolerant = group("Int64", {"min": 0, "max": 9}, max_outlier_share=0.5, max_null_share=0.5)
    schema = TableSchema(min_rows=1, columns=(tolerant,))

    blanked = clean_table(pl.DataFrame({"x": [5, 99, None], "y": [1, 2, 3]}), schema)

    assert blanked.to_dict(as_series=False) == {"x": [5, None, None]}
