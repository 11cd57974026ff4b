from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.io.core import Version
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro import versions
from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.datasets.stores import JsonStoreDataset
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import NodeFunction
from rightfit_kedro.pipelines import create_pipelines
from rightfit_kedro.pipelines.ranking.nodes import rank_candidates
from rightfit_kedro.result_records import GridRecord, RecordStore
from rightfit_kedro.versions import (
    STAGES,
    Group,
    choose_run_versions,
    choose_versions,
)

GRID = Grid({"a": ("raw_a",), "b": ("raw_b",)}, {"net": "net", "forest": "forest"})
NOW = "2026-03-01T12.00.00.000Z"
MONDAY, TUESDAY, FUTURE = (
    f"{day}T00.00.00.000Z" for day in ("2026-01-05", "2026-01-06", "2099-01-01")
)
GROUPS = {
    "a.test": Group(0, ("a",)),
    "a.net.trials": Group(1, ("a", "net")),
    "a.net.candidates": Group(1, ("a", "net")),
    "a.trials": Group(1, ("a",)),
    "resource_profiles": Group(2, ()),
    "rankings": Group(STAGES.index("ranking"), ()),
}


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    return RecordStore(JsonStore(tmp_path / "records"))


def write_grid(records: RecordStore, version: str, grid: GridRecord) -> None:
    records.put(f"grid-{version}", grid)


def make_dataset(folder: Path, name: str, *versions: str) -> JSONDataset:
    path = folder / f"{name}.json"
    for version in versions:
        JSONDataset(filepath=str(path), version=Version(None, version)).save(version)
    return JSONDataset(filepath=str(path), version=Version(None, NOW))


def choose(
    folder: Path, records: RecordStore, grid: Grid = GRID, **versions: tuple[str, ...]
) -> dict[str, str]:
    inputs = {
        name.replace("__", "."): make_dataset(folder, name, *stored)
        for name, stored in versions.items()
    }
    return choose_versions(inputs, GROUPS, grid, records, NOW)


def test_version_dated_in_the_future_does_not_win(tmp_path: Path, records: RecordStore) -> None:
    chosen = choose(tmp_path, records, resource_profiles=(MONDAY, FUTURE))

    assert chosen == {"resource_profiles": MONDAY}


def test_only_versions_of_the_future_are_refused_with_the_cure(
    tmp_path: Path, records: RecordStore
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Correct the clock.*--load-versions=resource_profiles:2099"
    ):
        choose(tmp_path, records, resource_profiles=(FUTURE,))


def test_input_is_no_newer_than_what_was_made_from_it(tmp_path: Path, records: RecordStore) -> None:
    chosen = choose(
        tmp_path,
        records,
        rankings=(MONDAY,),
        resource_profiles=(MONDAY, TUESDAY),
        a__trials=(MONDAY, TUESDAY),
    )

    assert set(chosen.values()) == {MONDAY}


def test_results_of_one_cell_are_of_one_run(tmp_path: Path, records: RecordStore) -> None:
    chosen = choose(
        tmp_path, records, a__net__trials=(MONDAY, TUESDAY), a__net__candidates=(MONDAY,)
    )

    assert set(chosen.values()) == {MONDAY}


def test_results_that_no_run_wrote_together_are_each_the_newest(
    tmp_path: Path, records: RecordStore
) -> None:
    chosen = choose(tmp_path, records, a__net__trials=(TUESDAY,), a__net__candidates=(MONDAY,))

    assert chosen == {"a.net.trials": TUESDAY, "a.net.candidates": MONDAY}


def test_profiles_of_another_grid_are_passed_over(tmp_path: Path, records: RecordStore) -> None:
    write_grid(records, MONDAY, GridRecord(("b", "a"), ("forest", "net")))
    write_grid(records, TUESDAY, GridRecord(("a",), ("net",)))

    chosen = choose(tmp_path, records, resource_profiles=(MONDAY, TUESDAY))

    assert chosen == {"resource_profiles": MONDAY}


def test_grid_without_profiles_of_its_own_is_told_what_to_run(
    tmp_path: Path, records: RecordStore
) -> None:
    write_grid(records, MONDAY, GridRecord(("a",), ("net",)))

    with pytest.raises(ConfigurationError, match=r"belongs to another grid.*training,evaluation"):
        choose(tmp_path, records, resource_profiles=(MONDAY,))


def test_prepared_data_belong_to_every_grid(tmp_path: Path, records: RecordStore) -> None:
    write_grid(records, MONDAY, GridRecord(("a",), ("net",)))

    assert choose(tmp_path, records, a__test=(MONDAY,)) == {"a.test": MONDAY}


def test_missing_inputs_are_left_to_kedro(tmp_path: Path, records: RecordStore) -> None:
    assert choose(tmp_path, records, resource_profiles=()) == {}


def test_run_reads_what_it_wrote_and_notes_its_grid(
    tmp_path: Path, records: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "find_grid", lambda: GRID)
    monkeypatch.setattr(versions, "pipelines", create_pipelines(GRID))
    names = ("rankings", "rankings_csv", "rejections")
    written = {name: make_dataset(tmp_path, name, MONDAY, FUTURE) for name in names}
    told = make_dataset(tmp_path, "resource_profiles", MONDAY, TUESDAY)
    told._version = Version(MONDAY, NOW)
    catalog = DataCatalog(
        {
            **written,
            "resource_profiles": told,
            "result_records": JsonStoreDataset(filepath=str(tmp_path / "records")),
        }
    )
    inputs = ["resource_profiles", "params:applications", "params:ranking", "earlier", "judged"]
    ranking = NodeFunction(rank_candidates, imported=())
    node = Node(ranking, inputs, list(names), name="rank_candidates")
    params: dict[str, Any] = {"run_id": NOW, "load_versions": {"resource_profiles": MONDAY}}

    choose_run_versions(params, Pipeline([node]), catalog)
    for dataset in written.values():
        dataset.save("mine")

    assert [dataset.load() for dataset in written.values()] == ["mine"] * 3
    assert told.load() == MONDAY
    assert records.get(f"grid-{NOW}", GridRecord) == GridRecord(("a", "b"), ("net", "forest"))


def test_run_after_the_clock_has_gone_back_reads_and_writes_the_newest(
    tmp_path: Path,
    records: RecordStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(versions, "find_grid", lambda: GRID)
    monkeypatch.setattr(versions, "pipelines", create_pipelines(GRID))
    write_grid(records, FUTURE, GridRecord(("a", "b"), ("net", "forest")))
    profiles = make_dataset(tmp_path, "resource_profiles", MONDAY, FUTURE)
    rankings = make_dataset(tmp_path, "rankings", MONDAY, FUTURE)
    catalog = DataCatalog(
        {
            "resource_profiles": profiles,
            "rankings": rankings,
            "result_records": JsonStoreDataset(filepath=str(tmp_path / "records")),
        }
    )
    ranking = NodeFunction(rank_candidates, imported=())
    node = Node(ranking, ["resource_profiles", "a", "b", "c", "d"], "rankings", name="rank")

    choose_run_versions({"run_id": NOW}, Pipeline([node]), catalog)
    rankings.save("mine")

    assert profiles.load() == FUTURE
    assert rankings.load() == "mine"
    stored = sorted(path.name for path in (tmp_path / "rankings.json").iterdir())
    assert stored == [MONDAY, FUTURE, "2099-01-01T00.00.00.001Z"]
    assert "Correct the clock if it is wrong now" in caplog.text
