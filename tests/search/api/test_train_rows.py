"""Candidates that are chosen on a sample and learn from all train rows."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rightfit as rf
from rightfit._core.errors import RightfitError
from rightfit._core.frames import ScannedTable
from rightfit._core.processes.leftovers import MARK, in_use
from rightfit_search.tables import row_stream
from rightfit_search.tables.inference import N_RANKED_FIRST

pytestmark = pytest.mark.whole

N_ROWS, N_SAMPLED, N_TRAIN = 20_000, 1_000, 16_000
N_FILES = 4


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that are read in small batches."""
    monkeypatch.setattr(row_stream, "N_BATCH_ROWS", 3_000)
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=N_ROWS).astype(np.float32) for i in range(4)}
    y = columns["x0"] * columns["x1"] + np.sin(3 * columns["x2"]) + 0.3 * rng.normal(size=N_ROWS)
    rows = pl.DataFrame(columns | {"kind": rng.choice(["a", "b"], N_ROWS), "y": y})
    folder = tmp_path / "table"
    folder.mkdir()
    for number in range(N_FILES):
        part = rows.slice(number * N_ROWS // N_FILES, N_ROWS // N_FILES)
        part.write_parquet(folder / f"{number}.parquet")
    return folder


def search(table: Path, **changes: Any) -> rf.SearchResult:
    asked: dict[str, Any] = {
        "families": ["lightgbm"],
        "n_trials": 1,
        "budget_cpu_s": None,
        "n_jobs": 1,
        "train_rows": "all",
        "dataset": {"max_train_rows": N_SAMPLED, "max_test_rows": 2_000},
    }
    return rf.search(pl.scan_parquet(table / "*.parquet"), "y", **asked | changes)


def learnt_rows(result: rf.SearchResult) -> dict[str, int | None]:
    return {name: bundle.n_training_rows for name, bundle in result._candidates.items()}


def read_quality(result: rf.SearchResult) -> float:
    [profile, *_] = result.profiles
    value = profile["quality_raw"].value
    assert value is not None
    return value


def test_what_is_ranked_and_delivered_has_learnt_from_all_train_rows(table: Path) -> None:
    of_sample, of_all = search(table, train_rows="sample", refit=False), search(table)

    assert learnt_rows(of_sample) == {"lightgbm-000": N_SAMPLED}
    assert learnt_rows(of_all) == {"lightgbm-000": N_TRAIN}
    assert read_quality(of_all) > read_quality(of_sample) + 0.05
    assert of_all.best()._bundle.n_training_rows == N_TRAIN  # not refitted on fewer rows


def test_the_result_tells_what_more_rows_were_expected_to_bring(table: Path) -> None:
    of_sample, of_all = search(table, train_rows="sample", refit=False), search(table, refit=False)

    assert of_sample.row_forecasts == {}
    [(name, forecast)] = of_all.row_forecasts.items()
    assert (name, forecast.n_rows) == ("lightgbm-000", N_TRAIN)
    assert forecast.gain.low <= 0.05 < forecast.gain.high
    assert 0 < forecast.cpu_s.low <= forecast.cpu_s.value <= forecast.cpu_s.high
    assert str(forecast) in repr(of_all)


@pytest.mark.long
def test_families_in_processes_of_their_own_learn_from_the_rows_that_fit(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    result = search(table, families=["forest", "boosting"], n_jobs=2)

    assert result.best()._bundle.n_training_rows == N_TRAIN
    assert "needs its rows in memory" in caplog.text


def test_auto_stops_where_more_rows_are_expected_to_bring_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=N_ROWS)
    pl.DataFrame({"x": x, "y": x + rng.normal(size=N_ROWS)}).write_parquet(tmp_path / "0.parquet")

    result = search(tmp_path, families=["linear"], train_rows="auto")

    assert learnt_rows(result) == {"linear-000": N_SAMPLED}


def test_auto_takes_more_rows_where_they_help(table: Path) -> None:
    [n_rows] = learnt_rows(search(table, train_rows="auto", refit=False)).values()

    assert n_rows is not None
    assert n_rows > N_SAMPLED


def test_auto_asks_no_candidate_that_is_surely_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightfit_search.searching.parallel import all_rows

    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, size=N_ROWS)
    pl.DataFrame({"x": x, "y": x**2}).write_parquet(tmp_path / "0.parquet")
    asked = []

    def choose(curves: list[Any], n_all: int) -> int:
        asked.append(len(curves))
        return n_all

    monkeypatch.setattr(all_rows, "choose_n_rows", choose)
    result = search(tmp_path, families=["linear", "lightgbm"], train_rows="auto", refit=False)

    assert asked == [1]
    assert learnt_rows(result) == {"linear-000": N_SAMPLED, "lightgbm-000": N_TRAIN}


def test_a_search_that_ended_while_it_trained_on_all_rows_goes_on(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightfit_search.searching.parallel import all_rows

    whole = search(table, folder=tmp_path / "whole")
    written = []

    def write_and_break(folder: Path, *arguments: Any, **options: Any) -> None:
        written.append(write(folder, *arguments, **options))
        raise KeyboardInterrupt

    write = all_rows.store_rows
    monkeypatch.setattr(all_rows, "store_rows", write_and_break)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        search(table, folder=tmp_path / "kept")
    monkeypatch.undo()
    read = ScannedTable.slice

    def read_few(self: ScannedTable, start: int, n_rows: int) -> pl.DataFrame:
        assert n_rows <= N_RANKED_FIRST, "stored rows are read again"
        return read(self, start, n_rows)

    monkeypatch.setattr(ScannedTable, "slice", read_few)
    resumed = search(table, folder=tmp_path / "kept")

    assert len(written) == 1
    assert learnt_rows(resumed) == {"lightgbm-000": N_TRAIN}
    assert read_quality(resumed) == read_quality(whole)
    assert not list((tmp_path / "kept").glob("rows-*"))


def test_rows_that_an_ended_search_of_another_table_left_are_swept(
    table: Path, tmp_path: Path
) -> None:
    left, living, own = (tmp_path / "kept" / f"rows-{name}" for name in ("left", "living", "own"))
    for folder in (left, living, own):
        folder.mkdir(parents=True)
    for folder in (left, living):
        (folder / MARK).touch()
        os.utime(folder / MARK, (0, 0))  # not made just now

    with in_use(living):
        search(table, folder=tmp_path / "kept")

    assert sorted((tmp_path / "kept").glob("rows-*")) == [living, own]


def change_targets(table: Path) -> None:
    file = table / "2.parquet"
    pl.read_parquet(file).with_columns(y=-pl.col("y")).write_parquet(file)


def change_features(table: Path) -> None:
    file = table / "0.parquet"  # of which nothing is read any more
    pl.read_parquet(file).with_columns(x1=-pl.col("x1")).write_parquet(file)


def remove_column(table: Path) -> None:
    file = table / "3.parquet"
    pl.read_parquet(file).drop("x1").write_parquet(file)


def shorten(table: Path) -> None:
    file = table / "3.parquet"
    pl.read_parquet(file).head(10).write_parquet(file)


@pytest.mark.parametrize("damage", [change_targets, change_features, remove_column, shorten])
def test_a_table_that_changes_while_it_is_streamed_leaves_the_models_of_the_sample(
    damage: Any, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ScannedTable.slice
    damaged = []

    def damage_and_read(self: ScannedTable, start: int, n_rows: int) -> pl.DataFrame:
        if start > N_ROWS / N_FILES and not damaged:
            damaged.append(start)
            damage(table)
        return read(self, start, n_rows)

    monkeypatch.setattr(ScannedTable, "slice", damage_and_read)
    result = search(table)

    assert damaged
    assert learnt_rows(result) == {"lightgbm-000": N_SAMPLED}
    [fault] = [remark for remark in result.remarks if "stay as the sample" in remark]
    assert len(fault.splitlines()) == 1
    assert "has changed" in fault


def test_rows_that_the_disk_does_not_hold_leave_the_models_of_the_sample(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(folder: Path, *_: Any, **__: Any) -> None:
        folder.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rightfit_search.searching.parallel.all_rows.store_rows", fill_disk)
    result = search(table, folder=tmp_path / "kept")

    assert learnt_rows(result) == {"lightgbm-000": N_SAMPLED}
    assert any("No space left" in remark for remark in result.remarks)
    assert not list((tmp_path / "kept").glob("rows-*"))


def test_a_column_that_a_later_file_lacks_is_one_error(table: Path) -> None:
    remove_column(table)

    with pytest.raises(RightfitError, match="Every file needs the same columns"):
        search(table)


def test_other_words_for_train_rows_are_refused(table: Path) -> None:
    with pytest.raises(RightfitError, match="train_rows: must be 'sample'"):
        search(table, train_rows="some")
