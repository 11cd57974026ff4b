"""Live searches are compared at equal compute, their winners judged on other rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cells
import polars as pl
import pytest
from demands import FakeBench, make_demand

from rightfit.families.family import TrainingData
from rightfit.tuning.experiment.live_comparison import compare_live, summarise_live
from rightfit.tuning.studies.study_store import StudyStore


@contextlib.contextmanager
def open_fake_bench(*args: Any) -> Iterator[FakeBench]:
    yield FakeBench()


def test_every_method_searches_and_is_judged(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("search.search", "experiment.live_judging"):
        monkeypatch.setattr(f"rightfit.tuning.{module}.open_short_bench", open_fake_bench)
    settings = cells.make_settings(n_trials=4, sampler="tpe", early_stopping="pausing")

    def compare(seeds: list[int]) -> pl.DataFrame:
        return compare_live(
            cells.make_cell(blobs),
            blobs,
            settings,
            make_demand(),
            StudyStore(tmp_path, None),
            n_trainings=200,
            seeds=seeds,
        )

    found = compare([1])
    monkeypatch.setattr(FakeBench, "measure", None)  # what was judged is not measured again

    assert compare([1]).equals(found)
    assert found["method"].to_list() == ["pausing", "none", "none_late", "median", "median_late"]
    spent = dict(found.select("method", "spent_s").iter_rows())
    assert spent["none"] <= spent["none_late"]
    assert found["application"].unique().to_list() == ["accuracy"]
    assert found["utility_test"].min() > 0.5  # type: ignore[operator]


def test_the_gain_has_an_interval_over_cells() -> None:
    rows = [
        {"cell": cell, "seed": seed, "application": "a", "method": method, "utility_test": utility}
        for cell in "xyz"
        for seed in (1, 2)
        for method, utility in (("pausing", 0.9), ("none", 0.8), ("median", 0.85))
    ]

    summary = summarise_live(pl.DataFrame(rows), seed=0)

    assert summary["peer"].to_list() == ["none", "median"]
    assert summary["gain"].to_list() == pytest.approx([0.1, 0.05])
    assert summary["gain_low"].to_list() == pytest.approx([0.1, 0.05])
    assert summary["n_searches"].to_list() == [6, 6]
