from __future__ import annotations

from pathlib import Path

import pytest

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro.result_records import GRID, GridRecord, RecordStore

MONDAY, TUESDAY = (f"2026-01-0{day}T12.00.00.000Z" for day in (5, 6))


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(JsonStore(tmp_path / "records"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "candidates"
    folder.mkdir()
    (folder / "list.json").write_text("[1]")
    (folder / "weights").write_text("12")
    return folder


def test_result_as_its_run_wrote_it_is_whole(store: RecordStore, folder: Path) -> None:
    store.write_result("candidates", MONDAY, folder)

    store.verify("candidates", MONDAY, folder)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "weights is missing"), ("13", "weights is not what the run")]
)
def test_damaged_file_is_named(
    store: RecordStore, folder: Path, content: str | None, reason: str
) -> None:
    store.write_result("candidates", MONDAY, folder)
    (folder / "weights").unlink()
    if content is not None:
        (folder / "weights").write_text(content)

    with pytest.raises(ValueError, match=reason):
        store.verify("candidates", MONDAY, folder)
    store.verify("candidates", MONDAY, folder, only=["list.json"])
    store.verify("candidates", TUESDAY, folder)  # of which nothing is recorded


def test_run_is_named_behind_all_runs_before_it(store: RecordStore) -> None:
    assert store.name_run(MONDAY) == MONDAY
    store.put(GRID + TUESDAY, GridRecord((), ()))

    late = "2026-01-06T12.00.00.001Z"
    assert store.name_run(MONDAY) == late
    store.put(GRID + late, GridRecord((), ()))
    assert store.name_run(MONDAY) == "2026-01-06T12.00.00.002Z"
    assert store.name_run("2026-01-07T00.00.00.000Z") == "2026-01-07T00.00.00.000Z"
    assert store.name_run(f"{MONDAY}-airflow") == f"{MONDAY}-airflow"


def test_result_of_a_run_with_a_fast_clock_counts(store: RecordStore) -> None:
    future = "2999-01-01T00.00.00.000Z"
    assert store.find_newest() < future

    store.put(GRID + future, GridRecord((), ()))

    assert store.find_newest() == future
