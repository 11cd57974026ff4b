"""Utilities by objective."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from plotly.graph_objects import Figure

from rightfit.reporting.charts.utility_chart import draw_utilities
from rightfit.reporting.run_results import Results


def draw(*tables: pl.DataFrame, **options: Any) -> Figure:
    return Figure(draw_utilities(*tables, **options))


def test_utility_bars_end_at_the_utility(results: Results) -> None:
    figure = draw(
        results.rankings,
        results.utility_breakdown,
        application="satellite_archive",
        marks=results.marks,
    )
    bars = [trace for trace in figure.data if trace.type == "bar"]
    ends = {
        place: utility
        for trace in figure.data
        if trace.type == "scatter"
        for place, utility in zip(trace.y, trace.x, strict=True)
    }
    sums = {
        place: sum(trace.x[position] for trace in bars) for position, place in enumerate(bars[0].y)
    }

    assert [trace.name for trace in bars] == ["quality", "throughput", "peak memory"]
    assert sums == pytest.approx(ends)
    assert len(sums) == 18


def test_utility_bars_are_pale_where_a_limit_is_broken(results: Results) -> None:
    figure = draw(
        results.rankings,
        results.utility_breakdown,
        application="edge_device",
        marks=results.marks,
    )
    feasible = results.rankings.filter(pl.col("application") == "edge_device")["feasible"]

    assert [opacity == 1.0 for opacity in figure.data[0].marker.opacity] == feasible.to_list()


def test_utility_chart_tells_what_lacks_a_measurement_from_what_breaks_a_limit(
    results: Results,
) -> None:
    lacking = results.rankings.with_columns(feasible=pl.lit(value=False)).with_columns(
        outcome=pl.when(pl.col("model") == "net").then(pl.lit("unmeasured")).otherwise("outcome")
    )
    figure = draw(lacking, results.utility_breakdown, application="web_api", marks=results.marks)
    ends = [trace for trace in figure.data if trace.type == "scatter"]
    verdicts = {trace.name: set(trace.customdata) for trace in ends}

    assert verdicts["net"] == {", lacks a measurement"}
    assert verdicts["linear"] == {", breaks a limit"}


def test_utility_chart_heads_every_dataset(results: Results) -> None:
    figure = draw(
        results.rankings,
        results.utility_breakdown,
        application="web_api",
        marks=results.marks,
    )

    assert [note.text for note in figure.layout.annotations] == [
        "<b>landsat</b>",
        "<b>fashion mnist</b>",
        "<b>flights</b>",
    ]
    assert figure.layout.yaxis.ticktext[0] == "1. forest-14<br>onnx, 1 thread"
