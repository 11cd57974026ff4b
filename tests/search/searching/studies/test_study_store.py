from __future__ import annotations

import fcntl
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from factories.bundles import train_bundle

from rightfit._core.processes import file_locks
from rightfit.models.bundle import read_bundle
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.studies import study_store
from rightfit_search.searching.studies.study_store import StudyStore


def test_bundle_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)

    with pytest.raises(ZeroDivisionError, match="half way"), store.new_bundle("study", 3) as folder:
        (folder / "half").touch()
        raise ZeroDivisionError("half way")
    appeared_early = store.bundle_folder("study", 3).exists()
    with store.new_bundle("study", 3) as folder:
        (folder / "whole").touch()

    assert not appeared_early
    assert [path.name for path in store.bundle_folder("study", 3).iterdir()] == ["whole"]
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["00003"]


def test_dropped_bundle_leaves_nothing(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    with store.new_bundle("study", 0):
        pass

    store.drop_bundle("study", 0)

    assert not list((tmp_path / "study").iterdir())


def test_only_weights_on_record_are_trusted(blobs: TrainingData, tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "studies", None).cell("blobs.linear")
    configuration = {"n_epochs": 2, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal",
                     "eta0": 0.01}  # fmt: skip
    bundles = [
        read_bundle(train_bundle(tmp_path / name, data, "linear", configuration).path)
        for name, data in {
            "ours": blobs,
            "foreign": replace(blobs, rows=-blobs.rows),
        }.items()
    ]

    store.record_weights(bundles[0])

    assert [store.trust_recorded(bundle).is_trusted for bundle in bundles] == [True, False]
    other = StudyStore(tmp_path / "studies", None).cell("blobs.forest")
    assert not other.trust_recorded(bundles[0]).is_trusted


def test_database_without_locks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kind 'mysql'; allowed are \('postgresql', 'sqlite'\)"):
        StudyStore(tmp_path, "mysql+pymysql://localhost/studies")


def test_cell_keeps_database(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "postgresql+psycopg://host/db")

    assert store.cell("landsat.net") == StudyStore(tmp_path / "landsat" / "net", store.storage)


def test_lock_does_not_follow_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    precious.chmod(0o600)
    (tmp_path / ".studies.lock").symlink_to(precious)

    with (
        pytest.raises(ValueError, match="must be a regular file"),
        StudyStore(tmp_path, None).locked("studies"),
    ):
        pass

    assert precious.read_text() == "content"
    assert precious.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling"])
def test_lock_names_what_is_in_its_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ".studies.lock"
    makers = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "dangling": lambda: path.symlink_to(tmp_path / "nowhere"),
    }
    makers[kind]()

    with (
        pytest.raises(ValueError, match=r"studies\.lock must be a regular file"),
        StudyStore(tmp_path, None).locked("studies"),
    ):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_lock_leaves_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / ".studies.lock").write_text("kept")

    with StudyStore(tmp_path, None).locked("studies"):
        pass

    assert (tmp_path / ".studies.lock").read_text() == "kept"


def test_lock_that_another_process_holds_is_waited_for_with_a_word_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, order = StudyStore(tmp_path, None), []
    holds, says = threading.Event(), threading.Event()
    monkeypatch.setattr(study_store.logger, "info", lambda *_: says.set())

    def hold() -> None:
        with store.locked("a"):
            holds.set()
            says.wait(60)
            order.append("holder")

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(60)
    with (
        pytest.raises(BlockingIOError, match="holds the lock 'a'"),
        store.locked("a", waiting=None),
    ):
        pass
    assert not says.is_set()
    with store.locked("a", waiting="waits"):
        order.append("waiter")
    holder.join()

    assert says.is_set()
    assert order == ["holder", "waiter"]


def test_password_of_the_database_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:s3cret@host/db"

    assert "s3cret" not in repr(StudyStore(tmp_path, url))


def test_what_killed_processes_left_half_written_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 0.0)
    store = StudyStore(tmp_path, None)
    for number in (1, 2):
        (store.bundle_folder("study", number).with_suffix(".partial")).mkdir(parents=True)
    whole = store.bundle_folder("study", 3)
    whole.mkdir()
    for name in ("model.onnx", "model.onnx.partial", "held.partial"):
        (whole / name).touch()

    with (whole / "held.partial").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another process writes it
        store.sweep_partial_bundles("study")
        store.sweep_partial_files("study")

    assert [path.name for path in (tmp_path / "study").iterdir()] == ["00003"]
    assert sorted(path.name for path in whole.iterdir()) == ["held.partial", "model.onnx"]


def test_bundle_that_another_run_writes_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 0.0)
    store = StudyStore(tmp_path, None)

    with store.new_bundle("study", 1) as folder:
        StudyStore(tmp_path, None).sweep_partial_bundles("study")
        (folder / "weights.skops").touch()

    assert (store.bundle_folder("study", 1) / "weights.skops").exists()


def test_content_comes_back_whole_or_not_at_all(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    assert store.read_content("study", "00003-validation") is None

    store.write_content("study", "00003-validation", b"012")
    stored = store.read_content("study", "00003-validation")
    (file,) = (tmp_path / "study").iterdir()
    file.write_bytes(b"013")

    assert stored == b"012"
    assert store.read_content("study", "00003-validation") is None
