"""The saturation chart."""

from __future__ import annotations

from handmade import make_load_curve

from rightfit.reporting.charts.load_chart import draw_load


def test_chart_shows_percentiles_cores_and_failures_over_the_rate() -> None:
    figure = draw_load(make_load_curve(), title="Web api")
    p50, _, p99, cores, failed = figure.data

    assert list(p50.x) == [60, 600, 900, 1200]
    assert list(p99.x) == [600, 900, 1200]  # too few requests at 60
    assert p50.marker.symbol[-2:] == ("circle", "circle-open")  # it fell behind
    assert list(cores.y) == [0.06, 0.6, 0.9, 1.0]
    assert list(failed.y) == [0, 0, 0, 0.03]
    assert [shape.label.text for shape in figure.layout.shapes] == [
        *("limit of p99: 5 ms", "within the limit", "knee"),
    ]
