"""The best quality that runs on each tier of the hardware ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from rightfit.naming import round_quality, sentence_case, words
from rightfit.reporting.charts.palette import Mark, base_layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT_PX = 320


def best_by_tier(profiles: pl.DataFrame, n_tiers: int) -> pl.DataFrame:
    """Find the best profile by quality of each dataset and family that runs on each tier.

    Returns:
        One row per dataset, family and tier on which any profile of the family runs:
        ``dataset``, ``model``, ``tier`` (1-based), ``candidate``, ``quality_raw``.
    """
    known = profiles.drop_nulls(["min_hardware_tier", "quality_raw"])
    tiers = pl.DataFrame({"tier": range(1, n_tiers + 1)}, schema={"tier": pl.Int64})
    return (
        known.join(tiers, how="cross")
        .filter(pl.col("min_hardware_tier") <= pl.col("tier"))
        .sort("quality_raw", descending=True, maintain_order=True)
        .unique(["dataset", "model", "tier"], keep="first", maintain_order=True)
        .select("dataset", "model", "tier", "candidate", "quality_raw")
        .sort("tier", maintain_order=True)
    )


def draw_tiers(
    best: pl.DataFrame,
    *,
    dataset: str,
    tier_names: Sequence[str],
    quality_title: str,
    marks: Mapping[str, Mark],
) -> Figure:
    """Draw a dataset's best quality per family against the hardware ladder.

    Later tiers on which nothing changes are left out.
    """
    from plotly.graph_objects import Figure, Scatter

    mine = best.filter(pl.col("dataset") == dataset)
    shown = tier_names[: max(2, last_rise(mine))]
    lines = []
    for family, mark in marks.items():
        part = mine.filter(pl.col("model") == family, pl.col("tier") <= len(shown))
        lines.append(
            Scatter(
                x=[shown[tier - 1] for tier in part["tier"]],
                y=part["quality_raw"].to_list(),
                name=words(family),
                mode="lines+markers",
                line={"color": mark.color, "shape": "hv", "width": 2},
                marker={"symbol": mark.symbol, "size": 9},
                text=part["candidate"].to_list(),
                hovertemplate=f"%{{text}} on %{{x}}: {quality_title} %{{y:.4~g}}<extra></extra>",
            )
        )
    return Figure(
        data=lines,
        layout={
            **base_layout(f"{sentence_case(words(dataset))}: best quality by hardware tier"),
            "height": HEIGHT_PX,
            "xaxis": {
                "title": {"text": "Hardware tier, smallest first"},
                "categoryorder": "array",
                "categoryarray": list(shown),
            },
            "yaxis": {"title": {"text": f"Best {quality_title}"}},
        },
    )


def last_rise(best: pl.DataFrame) -> int:
    """Return the last tier at which any family's best rises; at least the first tier."""
    visible = round_quality("quality_raw")
    rises = best.group_by("model", visible).agg(pl.col("tier").min())
    return max(rises["tier"].to_list(), default=1)
