from __future__ import annotations

import os
from pathlib import Path

import pytest
from kedro.io import DatasetError

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro.datasets.stores import JsonStoreDataset, StudyStoreDataset


def test_store_of_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    dataset = JsonStoreDataset(filepath=str(tmp_path / "not" / "there"))

    store = dataset.load()

    assert dataset.exists()
    assert store.keys() == []
    assert store.get("a") is None
    assert not (tmp_path / "not").exists()  # reading creates nothing


def test_document_is_there_for_the_next_one_who_loads(tmp_path: Path) -> None:
    dataset = JsonStoreDataset(filepath=str(tmp_path / "store"))
    dataset.load().put("a-1", {"x": [1, None]})
    dataset.load().put("a-1", {"x": [2.5]})

    assert dataset.load().get("a-1") == {"x": [2.5]}
    assert dataset.load().keys() == ["a-1"]


def test_document_that_is_no_json_changes_nothing(tmp_path: Path) -> None:
    store = JsonStore(tmp_path)
    store.put("a", {"x": 1})

    with pytest.raises(ValueError, match="JSON"):
        store.put("a", {"x": float("nan")})

    assert store.get("a") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_damaged_document_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": ')

    assert JsonStore(tmp_path).get("a") is None


@pytest.mark.parametrize("key", ["", "../a", "a/b"])
def test_key_that_could_leave_the_folder_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="key must match"):
        JsonStore(tmp_path).put(key, {})


def test_saving_as_a_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="through its handle"):
        JsonStoreDataset(filepath=str(tmp_path)).save({"a": 1})


@pytest.mark.parametrize(
    "content", [b"", b"{half", b"[1]", b"5", b"\xff", b"[" * 100_000, b'{"x": NaN}', None]
)
def test_damaged_document_is_set_aside_and_made_anew(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, path = JsonStore(tmp_path), tmp_path / "a.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    found = store.get("a")
    store.put("a", {"x": 1})

    assert found is None
    assert store.get("a") == {"x": 1}
    assert (tmp_path / "a.damaged").exists()
    assert "is damaged" in caplog.text


def test_document_with_a_changed_digit_is_set_aside(tmp_path: Path) -> None:
    store, path = JsonStore(tmp_path), tmp_path / "a.json"
    store.put("a", {"x": [0.5, {"y": None}], "z": "é"})
    path.write_text(path.read_text().replace("0.5", "0.7"))

    assert store.get("a") is None
    assert (tmp_path / "a.damaged").exists()


def test_document_of_an_earlier_version_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": 1}')

    assert JsonStore(tmp_path).get("a") == {"x": 1}


def test_pipe_in_place_of_a_document_is_set_aside_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")

    assert JsonStore(tmp_path).get("a") is None
    assert (tmp_path / "a.damaged").is_fifo()


def test_studies_need_not_exist_yet(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path / "studies"))

    assert dataset.exists()
    assert dataset.load().folder == tmp_path / "studies"
    assert not (tmp_path / "studies").exists()


def test_credentials_name_the_database_and_stay_hidden(tmp_path: Path) -> None:
    url = "postgresql+psycopg://user:secret@localhost/studies"
    dataset = StudyStoreDataset(filepath=str(tmp_path), credentials={"storage": url})

    store = dataset.load()

    assert store.storage == url
    assert "secret" not in str(dataset)


def test_no_studies_can_be_saved(tmp_path: Path) -> None:
    dataset = StudyStoreDataset(filepath=str(tmp_path))

    with pytest.raises(DatasetError, match="written by the search that uses it"):
        dataset.save("anything")  # type: ignore[arg-type]
