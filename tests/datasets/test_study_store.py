from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from rightfit.datasets.stores import StudyStoreDataset


def test_store_need_not_exist_yet(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path / "studies"))

    assert dataset.exists()
    assert dataset.load().folder == tmp_path / "studies"
    assert not (tmp_path / "studies").exists()


def test_credentials_name_the_database_and_stay_hidden(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://user:secret@localhost/studies"
    dataset = StudyStoreDataset(filepath=str(tmp_path), credentials={"storage": url})

    store = dataset.load()

    assert store.storage == url
    assert "secret" not in str(dataset)


def test_nothing_can_be_saved(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path))

    with pytest.raises(DatasetError, match="written by the search that uses it"):
        dataset.save("anything")  # type: ignore[arg-type]
