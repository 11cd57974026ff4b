"""Compute of the search."""

from __future__ import annotations

import polars as pl
import pytest

from rightfit.reporting.charts.stops import SAVED, draw_stops, sum_compute
from rightfit.reporting.results import Results


def test_compute_is_summed_by_cause_with_what_stopping_saved(results: Results) -> None:
    compute = sum_compute(results.trials)
    cell = compute.filter(pl.col("cell") == "landsat.net").drop("cell").rows()

    assert cell == [
        ("complete", 2, 20.0, 0.0),
        ("median", 1, 2.0, 6.0),  # a quarter of the way for 2 s
        ("failed", 1, 1.0, 0.0),
    ]


def test_stops_chart_stacks_causes_and_savings(results: Results) -> None:
    figure = draw_stops(sum_compute(results.trials))

    assert [bar.name for bar in figure.data] == ["complete", "stopped: median", "failed", SAVED]
    assert sum(figure.data[-1].x) == pytest.approx(9 * 6.0)
    assert figure.data[0].y[0] == "landsat · linear"
