"""Live searches are compared at equal compute, their winners judged on other rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from factories import cells
from factories.application_targets import make_targets

from rightfit.models.family import TrainingData
from rightfit.searching.studies.study_store import StudyStore
from rightfit_study.early_stopping.live_comparison import compare_live, summarise_live

pytestmark = pytest.mark.whole


def test_every_method_searches_and_is_judged(blobs: TrainingData, tmp_path: Path) -> None:
    settings = cells.make_settings(n_trials=4, sampler="tpe", early_stopping="pausing")

    def compare(seeds: list[int]) -> pl.DataFrame:
        return compare_live(
            cells.make_cell(blobs),
            blobs,
            settings,
            make_targets(),
            StudyStore(tmp_path, None),
            n_trainings=200,
            seeds=seeds,
        )

    found = compare([1])

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
