from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
import yaml

from rightfit_kedro.stored_results import StoredResults
from rightfit_kedro.verbs.init import describe_entry

pytestmark = pytest.mark.whole


def make_results(folder: Path) -> StoredResults:
    orders = pl.DataFrame(
        {"price": [i % 40 for i in range(80)], "size": [i % 7 for i in range(80)]}
    )
    orders.write_parquet(folder / "orders.parquet")
    entry = {"type": "polars.EagerPolarsDataset", "file_format": "parquet"}
    return StoredResults(
        {
            name: entry | {"filepath": str(folder / f"{name}.parquet")}
            for name in ("orders", "ordres", "visits")
        },
        {},
    )


def test_block_cuts_the_column_into_two_classes(tmp_path: Path) -> None:
    results = make_results(tmp_path)

    text = describe_entry(results, "orders", "price", at_least=20, dataset="orders")

    block = yaml.safe_load(text)["orders"]
    assert block["target"] == {
        "column": "price",
        "at_least": 20,
        "classes": ["below 20", "20 or more"],
    }
    assert block["features"]["numeric"] == ["size"]


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    (path,) = tmp_path.rglob("*.parquet")
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(ValueError, match="only regular files are read"):
        describe_entry(results, "orders", "price", at_least=None, dataset="orders")


def test_a_bound_that_no_run_accepts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"target\.at_least: .*less than or equal to"):
        describe_entry(make_results(tmp_path), "orders", "price", at_least=1e308, dataset="orders")


@pytest.mark.parametrize(
    ("entry", "hint"),
    [("ordres", r"Did you mean orders\? If"), ("visits", "If a pipeline of yours makes it")],
)
def test_entry_that_cannot_be_loaded_gets_a_hint(tmp_path: Path, entry: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"{entry} cannot be loaded. {hint}"):
        describe_entry(make_results(tmp_path), entry, "price", at_least=None, dataset="orders")
