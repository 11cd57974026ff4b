from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from rightfit.datasets.stores import StudyStoreDataset


def test_store_need_not_exist_yet(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path / "studies"), heartbeat_s=10, grace_s=60)

    assert dataset.exists()
    assert dataset.load().folder == tmp_path / "studies"
    assert not (tmp_path / "studies").exists()


def test_credentials_name_the_database_and_stay_hidden(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://user:secret@localhost/studies"
    dataset = StudyStoreDataset(
        filepath=str(tmp_path), heartbeat_s=10, grace_s=60, credentials={"storage": url}
    )

    store = dataset.load()

    assert (store.storage, store.heartbeat_s, store.grace_s) == (url, 10, 60)
    assert "secret" not in str(dataset)


@pytest.mark.parametrize(("heartbeat_s", "grace_s"), [(60, 60), (0, 60), (10, float("nan"))])
def test_grace_must_outlast_a_heartbeat(tmp_path: Path, heartbeat_s: int, grace_s: int) -> None:
    with pytest.raises(ValueError, match="grace_s must be above heartbeat_s"):
        StudyStoreDataset(filepath=str(tmp_path), heartbeat_s=heartbeat_s, grace_s=grace_s)


def test_nothing_can_be_saved(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path), heartbeat_s=10, grace_s=60)

    with pytest.raises(DatasetError, match="written by the search that uses it"):
        dataset.save("anything")  # type: ignore[arg-type]
