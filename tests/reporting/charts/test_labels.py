"""Labels of winners."""

from __future__ import annotations

import polars as pl

from rightfit.reporting.charts.labels import label_winners


def test_labels_of_close_winners_do_not_overlap() -> None:
    won = pl.DataFrame(
        {
            "application": [["one"], ["two", "three"], ["four"]],
            "latency_p50_ms": [1.0, 1.1, 1.2],
            "quality_raw": [0.900, 0.901, 0.902],
        }
    )
    labels = label_winners(
        won,
        cost="latency_p50_ms",
        cost_range=[-1.0, 1.0],
        quality_range=[0.0, 1.0],
        on_the_right=False,
    )
    line = 0.055

    assert [label["text"] for label in labels] == ["four", "two<br>three", "one"]
    assert labels[0]["ay"] - labels[1]["ay"] >= 1.5 * line
    assert labels[1]["ay"] - labels[2]["ay"] >= 1.5 * line
    assert {label["xanchor"] for label in labels} == {"right"}


def test_label_stays_below_the_top_of_the_chart() -> None:
    won = pl.DataFrame(
        {"application": [["a", "b"]], "latency_p50_ms": [1.0], "quality_raw": [0.99]}
    )
    (label,) = label_winners(
        won,
        cost="latency_p50_ms",
        cost_range=[-1.0, 1.0],
        quality_range=[0.0, 1.0],
        on_the_right=True,
    )

    assert label["ay"] == 1.0 - 0.055
    assert label["xanchor"] == "left"
