"""Compute of the search."""

from __future__ import annotations

import polars as pl
import pytest

from rightfit.reporting.charts.stops import SAVED, draw_stops, sum_compute
from rightfit.reporting.results import Results


def test_compute_is_summed_by_cause_with_what_stopping_saved(results: Results) -> None:
    compute = sum_compute(results.trials, results.learning_curves)
    cell = compute.filter(pl.col("cell") == "landsat.net").drop("cell").rows()

    assert cell == [
        ("complete", 2, 20.0, 0.0),
        ("median", 1, 2.0, 6.0),  # a quarter of the way for 2 s
        ("failed", 1, 1.0, 0.0),
    ]


def test_stops_chart_stacks_causes_and_savings(results: Results) -> None:
    figure = draw_stops(sum_compute(results.trials, results.learning_curves))

    assert [bar.name for bar in figure.data] == ["complete", "stopped: median", "failed", SAVED]
    assert sum(figure.data[-1].x) == pytest.approx(9 * 6.0)
    assert figure.data[0].y[0] == "landsat · linear"


def test_compute_of_a_search_without_any_curve_saves_nothing() -> None:
    trials = pl.DataFrame(
        {
            "number": [0],
            "state": ["failed"],
            "stop_reason": ["failed: MemoryError: "],
            "stop_checkpoint": pl.Series([None], dtype=pl.Int64),
            "compute_s": [1.5],
        }
    )
    curves = pl.DataFrame(schema={"checkpoint": pl.Int64})

    assert sum_compute({"a.b": trials}, {"a.b": curves}).rows() == [("a.b", "failed", 1, 1.5, 0.0)]
