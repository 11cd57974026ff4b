"""What stopping rules save against what they lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rightfit.reporting.charts.palette import FAMILY_COLORS, FAMILY_SYMBOLS, GRID, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT_PX = 520


def draw_stopping(cells: pl.DataFrame) -> Figure:
    """Draw each policy's saving against its mean regret, one point per cell and setting."""
    from plotly.graph_objects import Figure, Scatter

    points = cells.filter(pl.col("variant") == "")
    figure = Figure()
    for i, ((policy,), mine) in enumerate(points.group_by("kind", maintain_order=True)):
        figure.add_trace(
            Scatter(
                x=mine["regret_mean"].to_list(),
                y=mine["saved"].to_list(),
                text=[
                    f"{row['dataset']}.{row['model']}, setting {row['setting']:g}, measuring "
                    f"{row['measuring']}: {row['n_lost']} winners lost"
                    for row in mine.to_dicts()
                ],
                name=str(policy),
                mode="markers",
                marker={
                    "color": FAMILY_COLORS[i % len(FAMILY_COLORS)],
                    "symbol": FAMILY_SYMBOLS[i % len(FAMILY_SYMBOLS)],
                    "size": 10,
                },
            )
        )
    figure.update_xaxes(title="Mean utility lost", gridcolor=GRID)
    figure.update_yaxes(title="Compute saved (times)", type="log", gridcolor=GRID)
    figure.update_layout(
        title="What stopping saves and loses, all applications at once",
        height=HEIGHT_PX,
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
