from __future__ import annotations

from pathlib import Path

import cells
import polars as pl
import pytest
from demands import make_demand

from rightfit.families.family import TrainingData
from rightfit.tuning.experiment.live_comparison import compare_live, summarise_live
from rightfit.tuning.studies.study_store import StudyStore


def test_the_same_search_is_run_with_and_without_stopping(
    blobs: TrainingData, tmp_path: Path
) -> None:
    settings = cells.make_settings(n_trials=6, sampler="tpe", n_startup_trials=2)

    rows = compare_live(
        cells.make_cell(blobs),
        settings,
        make_demand(),
        StudyStore(tmp_path, storage=None),
        seeds=[1, 2],
    )

    assert rows["seed"].to_list() == [1, 2]
    assert rows["n_complete_unstopped"].to_list() == [6, 6]
    assert rows["n_complete"].max() < 6  # the blobs are easy: little is worth training
    for row in rows.to_dicts():
        assert row["n_trials"] == 6
        assert row["regret"] == pytest.approx(row["utility_unstopped"] - row["utility"])


def test_savings_are_summed_up_by_cell_and_application() -> None:
    searches = pl.DataFrame(
        {
            "cell": ["a.net", "a.net"],
            "application": ["web_api", "web_api"],
            "spent_s": [10.0, 10.0],
            "spent_unstopped_s": [20.0, 80.0],
            "utility": [0.75, None],
            "utility_unstopped": [0.75, 0.5],
            "regret": [0.0, 0.5],
        }
    )

    assert summarise_live(searches).rows() == [
        ("a.net", "web_api", 2, pytest.approx(4.0), 0.25, 0.5, 1)
    ]
