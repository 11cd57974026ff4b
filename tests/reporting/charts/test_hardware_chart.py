"""Hardware tiers."""

from __future__ import annotations

import polars as pl

from rightfit.reporting.charts.hardware_chart import best_by_tier, draw_tiers, last_rise
from rightfit.reporting.charts.palette import marks_of

PROFILES = pl.DataFrame(
    {
        "dataset": ["landsat"] * 4,
        "model": ["linear", "linear", "net", "net"],
        "candidate": ["linear-1", "linear-2", "net-1", "net-2"],
        "min_hardware_tier": [1.0, 2.0, 2.0, None],
        "quality_raw": [0.80, 0.79, 0.90, 0.99],
    }
)


def test_best_by_tier_never_falls_on_a_larger_machine() -> None:
    best = best_by_tier(PROFILES, 3)

    assert best.select("model", "tier", "candidate").rows() == [
        ("linear", 1, "linear-1"),
        ("net", 2, "net-1"),
        ("linear", 2, "linear-1"),
        ("net", 3, "net-1"),
        ("linear", 3, "linear-1"),
    ]
    assert last_rise(best) == 2


def test_tiers_chart_leaves_out_machines_that_buy_nothing() -> None:
    figure = draw_tiers(
        best_by_tier(PROFILES, 3),
        dataset="landsat",
        tier_names=["micro", "small", "large"],
        quality_title="accuracy",
        marks=marks_of(PROFILES["model"]),
    )
    linear, net = figure.data

    assert (linear.x, linear.y) == (("micro", "small"), (0.80, 0.80))
    assert (net.x, net.y) == (("small",), (0.90,))
