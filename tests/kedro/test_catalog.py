from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rightfit_kedro.catalog import complete_catalog, make_entries
from rightfit_kedro.grid import Grid

GRID = Grid(tables={"iris": ("flowers", "places")}, families={"forest": "forest"})


def test_every_cell_gets_entries_below_the_data_root() -> None:
    entries = make_entries(GRID, "s3://bucket/study/")

    assert (
        entries["iris.forest.trials"]["filepath"]
        == "s3://bucket/study/07_model_output/iris/forest/trials.parquet"
    )
    assert entries["iris.train"]["filepath"].endswith("/05_model_input/iris/train.parquet")
    assert "rankings" in entries


def test_no_entry_is_a_pattern() -> None:
    assert [name for name in make_entries(GRID, "data") if "{" in name] == []


def test_entry_of_the_project_wins() -> None:
    own = {"type": "pandas.CSVDataset", "filepath": "mine.csv"}

    completed = complete_catalog({"rankings": own, "companies": own}, GRID, "data")

    assert completed["rankings"] == own
    assert completed["companies"] == own


def test_earlier_winners_lie_where_the_project_keeps_its_recommendations() -> None:
    own = {"type": "json.JSONDataset", "filepath": "s3://mine/found.json", "credentials": "mine"}

    completed = complete_catalog({"recommendations": own}, GRID, "data")

    assert completed["earlier_winners"] == own | {
        "type": "rightfit_kedro.datasets.earlier_runs.EarlierWinnersDataset",
        "versioned": True,
        "metadata": {"kedro-viz": {"layer": "model_output", "preview": False}},
    }


def test_pattern_of_the_project_wins() -> None:
    own = {"type": "MemoryDataset"}

    completed = complete_catalog({"{dataset}.{model}.trials": own}, GRID, "data")

    assert "iris.forest.trials" not in completed
    assert "iris.trials" in completed


def test_pattern_for_everything_does_not_win() -> None:
    completed = complete_catalog({"{anything}": {"type": "MemoryDataset"}}, GRID, "data")

    assert completed["iris.train"]["type"] == "polars.EagerPolarsDataset"


def test_entry_without_a_type_changes_the_one_of_the_library() -> None:
    completed = complete_catalog({"studies": {"credentials": "studies"}}, GRID, "data")

    assert completed["studies"]["credentials"] == "studies"
    assert completed["studies"]["filepath"] == "data/06_models/studies"


@pytest.mark.parametrize("name", ["rankings", "iris.encoder", "iris.forest.candidates"])
def test_results_are_versioned(name: str) -> None:
    assert make_entries(GRID, "data")[name]["versioned"]


def find_layer(entry: dict[str, Any]) -> str | None:
    return entry.get("metadata", {}).get("kedro-viz", {}).get("layer")


def test_every_entry_has_a_layer() -> None:
    entries = make_entries(replace(GRID, cascades=("cascade",)), "data")

    assert [name for name, entry in entries.items() if find_layer(entry) is None] == []


def test_candidates_of_cascades_close_no_circle_of_layers() -> None:
    entries = make_entries(replace(GRID, cascades=("cascade",)), "data")

    assert find_layer(entries["iris.forest.candidates"]) == "models"
    assert find_layer(entries["iris.cascade.candidates"]) == "model_output"
