from __future__ import annotations

from pathlib import Path

import pytest

from rightfit.tuning.studies.study_store import StudyStore


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
    store.bundle_folder("study", 0).with_suffix(".partial").mkdir()

    store.drop_bundle("study", 0)

    assert not list((tmp_path / "study").iterdir())


def test_shared_database_needs_a_heartbeat(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="need heartbeat_s and grace_s"):
        StudyStore(tmp_path, "postgresql+psycopg2://localhost/studies")


def test_database_without_locks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kind 'mysql'; allowed are \('postgresql', 'sqlite'\)"):
        StudyStore(tmp_path, "mysql+pymysql://localhost/studies", heartbeat_s=1, grace_s=2)


def test_cell_keeps_database_and_heartbeat(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "postgresql+psycopg2://host/db", heartbeat_s=1, grace_s=2)

    assert store.cell("landsat.net") == StudyStore(
        tmp_path / "landsat" / "net", store.storage, heartbeat_s=1, grace_s=2
    )
