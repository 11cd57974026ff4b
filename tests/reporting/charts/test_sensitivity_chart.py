"""Weights: shares and intervals."""

from __future__ import annotations

import polars as pl

from rightfit.reporting.charts.palette import marks_of
from rightfit.reporting.charts.sensitivity_chart import draw_weight_intervals, draw_win_shares

MARKS = marks_of(["linear", "forest"])
INTERVALS = pl.DataFrame(
    {
        "application": ["web_api", "web_api", "web_api", "other"],
        "dataset": ["landsat", "landsat", "flights", "landsat"],
        "metric": ["quality", "latency_p50_ms", "quality", "quality"],
        "leader": ["forest-1", "forest-1", None, "linear-1"],
        "weight": [3.0, 2.0, 3.0, 1.0],
        "weight_low": [2.0, None, None, None],
        "weight_high": [None, 3.0, None, None],
        "share": [0.6, 0.4, 0.6, 1.0],
        "share_low": [0.5, 0.0, None, 0.0],
        "share_high": [1.0, 0.5, None, 1.0],
        "leader_below": ["linear-1", None, None, None],
        "leader_above": [None, "linear-1", None, None],
    }
)


def test_win_shares_fill_one_bar_per_decision() -> None:
    shares = pl.DataFrame(
        {
            "application": ["web_api"] * 3,
            "dataset": ["landsat", "landsat", "flights"],
            "model": ["linear", "forest", "forest"],
            "candidate": ["linear-1", "forest-1", "forest-2"],
            "win_share": [0.05, 0.95, 1.0],
        }
    )
    figure = draw_win_shares(shares, marks=MARKS)
    totals: dict[int, float] = {}
    for bar in figure.data:
        totals[bar.y[0]] = totals.get(bar.y[0], 0.0) + bar.x[0]

    assert totals == {1: 1.0, 2: 1.0}
    assert [bar.marker.color for bar in figure.data if bar.y[0] == 1] == ["#009E73", "#0072B2"]
    assert {bar.name: bar.text[0] for bar in figure.data}["linear-1"] == ""  # too narrow for it


def test_weight_intervals_name_who_leads_beyond() -> None:
    figure = draw_weight_intervals(
        INTERVALS,
        application="web_api",
        family_of={"forest-1": "forest", "linear-1": "linear"},
        marks=MARKS,
    )
    first, second, now = figure.data

    assert (first.x, first.text[0].strip(), first.text[1].strip()) == ((0.5, 1.0), "linear-1", "")
    assert (second.x, second.text[1].strip()) == ((0.0, 0.5), "linear-1")
    assert first.line.color == "#009E73"
    assert now.x == (0.6, 0.4, 0.6)
    assert figure.layout.yaxis.ticktext == ("quality", "latency p50", "quality")
