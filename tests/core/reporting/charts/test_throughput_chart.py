"""Throughput and peak memory by batch size."""

from __future__ import annotations

import polars as pl
import pytest
from plotly.graph_objects import Figure

from rightfit.reporting.charts.throughput_chart import draw_curves
from rightfit.reporting.run_results import Results, select_winners

SIZES = (32, 256, 4_096)


def draw(results: Results) -> Figure:
    return Figure(draw_curves(results.profiles, select_winners(results.rankings), results.marks))


def test_curves_hold_every_profile_of_the_dataset_in_view(results: Results) -> None:
    figure = draw(results)
    in_view = [trace for trace in figure.data if trace.visible]
    n_profiles = results.profiles.filter(dataset="landsat").height

    assert [button.label for button in figure.layout.updatemenus[0].buttons][:3] == [
        "landsat: throughput",
        "landsat: peak memory",
        "fashion mnist: throughput",
    ]
    xs = [x for trace in in_view for x in trace.x]
    assert sorted(x for x in xs if x is not None) == sorted(SIZES * n_profiles)
    assert xs.count(None) == n_profiles  # a gap after each line


def test_curves_mark_winners_and_the_size_of_their_figures(results: Results) -> None:
    trace = next(one for one in draw(results).data if one.name == "net, winner")
    winners = select_winners(results.rankings).filter(dataset="landsat", model="net")
    n_winners = winners.unique(["candidate", "runtime", "n_threads"]).height

    largest = max(trace.marker.size)
    assert len(trace.x) == (len(SIZES) + 1) * n_winners
    chosen = [x for x, size in zip(trace.x, trace.marker.size, strict=True) if size == largest]
    assert chosen == [4_096] * n_winners


def test_curves_have_the_intervals_of_the_figures(results: Results) -> None:
    trace = draw(results).data[0]

    assert trace.error_y.array[0] == pytest.approx(0.2 * trace.y[0])
    assert trace.error_y.arrayminus[0] == pytest.approx(0.1 * trace.y[0])


def test_chart_says_that_no_profile_has_a_curve(results: Results) -> None:
    profiles = results.profiles.with_columns(measured_how=pl.lit(None))
    figure = Figure(draw_curves(profiles, select_winners(results.rankings), results.marks))

    assert figure.layout.title.text == "No throughput by batch size"
    assert len(figure.data) == 0
