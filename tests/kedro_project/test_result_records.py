from __future__ import annotations

import os
from pathlib import Path

import pytest
from kedro.io import DataCatalog, MemoryDataset

from rightfit._core.processes.json_store import JsonStore
from rightfit.kedro_project.result_records import RecordStore, hash_content
from rightfit.params.defaults import read_default
from rightfit.searching.training_params import TrainingParams


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(JsonStore(tmp_path / "records"))


def hash_table(path: Path, store: RecordStore, **load_args: str) -> str | None:
    entry = {"type": "pandas.CSVDataset", "filepath": str(path), "load_args": load_args}
    return store.hash_source(DataCatalog.from_config({"table": entry}).get("table"))


def test_table_is_told_by_its_content_and_by_how_it_is_read(
    tmp_path: Path, store: RecordStore
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    first = hash_table(path, store)

    path.write_text("a,b\n1,2\n")
    os.utime(path, ns=(1, 1))  # copied, touched: the same content
    assert hash_table(path, store) == first
    assert hash_table(path, store, sep=";") != first
    path.write_text("a,b\n1,3\n")
    assert hash_table(path, store) != first


def test_file_that_moves_to_another_folder_is_a_change(tmp_path: Path, store: RecordStore) -> None:
    entry = {"type": "partitions.PartitionedDataset", "path": str(tmp_path / "photos"),
             "dataset": "text.TextDataset"}  # fmt: skip
    folders = DataCatalog.from_config({"photos": entry}).get("photos")
    for kind in ("cat", "dog"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").write_text("pixels")

    first = store.hash_source(folders)
    same = store.hash_source(folders)
    (tmp_path / "photos" / "cat" / "1.png").rename(tmp_path / "photos" / "dog" / "1.png")

    assert first == same
    assert store.hash_source(folders) != first


def test_source_that_is_no_local_file_is_unknown(tmp_path: Path, store: RecordStore) -> None:
    assert store.hash_source(MemoryDataset("x")) is None
    assert hash_table(tmp_path / "missing.csv", store) is None
    assert store.hash_source(None) is None


def test_parameter_block_is_told_by_its_values() -> None:
    params = TrainingParams.model_validate(read_default("training"))

    assert hash_content(params) == hash_content(TrainingParams(**dict(params)))
    assert hash_content(params) != hash_content(params.model_copy(update={"seed": 99}))
