"""What a training step costs against its batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rightfit.reporting.charts.palette import FAMILY_COLORS, FAMILY_SYMBOLS, GRID, INK

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANELS = (
    ("step_time_ms", "Step (ms)"),
    ("rows_per_s", "Rows per second"),
    ("cpu_cores", "CPU (cores)"),
    ("peak_memory_mib", "Memory (MiB)"),
)
HEIGHT_PX = 640


def draw_training_costs(costs: pl.DataFrame) -> Figure:
    """Draw step time, throughput, cores and memory of each dataset against the batch size."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=2, cols=2, shared_xaxes=True, subplot_titles=[title for _, title in PANELS]
    )
    groups = costs.sort("batch_size").group_by("dataset", "model", maintain_order=True)
    for i, ((dataset, model), mine) in enumerate(groups):
        for panel, (column, _) in enumerate(PANELS):
            figure.add_trace(
                Scatter(
                    x=mine["batch_size"].to_list(),
                    y=mine[column].to_list(),
                    name=f"{dataset} {model}",
                    legendgroup=f"{dataset} {model}",
                    showlegend=panel == 0,
                    line={"color": FAMILY_COLORS[i % len(FAMILY_COLORS)]},
                    marker={"symbol": FAMILY_SYMBOLS[i % len(FAMILY_SYMBOLS)], "size": 8},
                    mode="lines+markers",
                ),
                row=panel // 2 + 1,
                col=panel % 2 + 1,
            )
    figure.update_xaxes(type="log", gridcolor=GRID)
    figure.update_yaxes(rangemode="tozero", gridcolor=GRID)
    figure.update_xaxes(title="Batch size", row=2)
    figure.update_layout(
        title="Training costs by batch size",
        height=HEIGHT_PX,
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
