from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rightfit._core.errors import RightfitError
from rightfit.models.imported.row_table import read_row_table

FRAME = pd.DataFrame(
    {
        "number": [1.5, np.nan],
        "whole": pd.array([7, None], dtype="Int64"),
        "text": ["a", None],
        "kind": pd.Categorical(["u", "v"], categories=["v", "u"]),
    },
    index=[9, 9],
)


def test_frame_of_pandas_is_kept_as_it_is() -> None:
    table = read_row_table(FRAME)

    kept = table.to("pandas")
    assert kept.dtypes.to_dict() == FRAME.dtypes.to_dict()
    assert kept.index.tolist() == [0, 1]
    assert (len(table), table.frame) == (2, "pandas")


def test_columns_are_numbers_or_objects_and_gaps_are_gaps() -> None:
    for table in (read_row_table(FRAME), read_row_table(pl.from_pandas(FRAME))):
        np.testing.assert_array_equal(table.column("number"), [1.5, np.nan])
        np.testing.assert_array_equal(table.column("whole").astype(float), [7, np.nan])
        assert table.column("text").tolist() == ["a", None]
        assert table.column("kind").tolist() == ["u", "v"]


@pytest.mark.parametrize(
    "rows",
    [
        pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        pa.table({"a": [1, 2], "b": ["x", "y"]}),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    ],
)
def test_any_table_becomes_any_frame(rows: Any) -> None:
    table = read_row_table(rows)

    assert table.to("pandas").to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    assert table.to("polars").to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}
    assert table.to("matrix").tolist() == [[1, "x"], [2, "y"]]


def test_categories_of_a_file_stay_categories(tmp_path: Path) -> None:
    kind = pl.Enum(["v", "u"])
    pl.DataFrame({"kind": pl.Series(["u", "v"], dtype=kind)}).write_parquet(tmp_path / "r.parquet")

    made = read_row_table(tmp_path / "r.parquet").to("pandas")

    assert made["kind"].dtype == pd.CategoricalDtype(["v", "u"])


def test_matrix_takes_the_names_of_its_reader(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([[1, 2], [3, 4]]))
    table = read_row_table(str(tmp_path / "rows.npy"))

    assert table.to("polars", ("a", "b")).to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}
    assert table.to("floats").dtype == np.float32


def test_images_stay_an_array_of_their_shape() -> None:
    table = read_row_table(np.zeros((5, 3, 4, 4), dtype=np.uint8))

    assert (len(table), table.columns) == (5, ("0",))
    assert table.to("matrix").shape == (5, 3, 4, 4)


def test_chosen_columns_come_in_the_readers_order() -> None:
    table = read_row_table(pd.DataFrame({"a": [1], "b": [2], "c": [3]}))

    assert table.select(["c", "a"], of="m").to("pandas").columns.tolist() == ["c", "a"]
    with pytest.raises(
        RightfitError, match=r"lack the columns \['aa'\].*'a' meant.* m was fitted.*raw or encoded"
    ):
        table.select(["aa", "b"], of="m")


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_underscores_that_lightgbm_puts_in_names_find_their_columns(frame: Any) -> None:
    table = read_row_table(frame({"a": [1], "b b": [2], "c": [3]}))

    selected = table.select(["c", "b_b"], of="m")

    assert selected.columns == ("c", "b_b")
    assert selected.column("b_b").tolist() == [2]


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(RightfitError, match=r"several columns of the names \['a'\]"):
        read_row_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_file_that_claims_more_rows_than_it_holds_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "rows.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**34, 1)}
        np.lib.format.write_array_header_1_0(file, header)

    with pytest.raises(RightfitError, match=r"rows\.npy cannot be read"):
        read_row_table(tmp_path / "rows.npy")


def test_arrow_table_of_a_kind_that_is_not_read_is_refused() -> None:
    table = pa.table({"price": pa.array([Decimal(1)], pa.decimal256(50))})

    with pytest.raises(RightfitError, match="a column of a kind that is not read"):
        read_row_table(table)
