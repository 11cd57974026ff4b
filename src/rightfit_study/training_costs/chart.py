"""What a training step costs against its batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rightfit.reporting.charts.palette import base_layout, marks_of

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
    named = costs.sort("batch_size").with_columns(
        name=pl.concat_str("dataset", "model", separator=" ")
    )
    for name, mark in marks_of(named["name"]).items():
        mine = named.filter(name=name)
        for panel, (column, _) in enumerate(PANELS):
            figure.add_trace(
                Scatter(
                    x=mine["batch_size"].to_list(),
                    y=mine[column].to_list(),
                    name=name,
                    legendgroup=name,
                    showlegend=panel == 0,
                    line={"color": mark.color},
                    marker={"symbol": mark.symbol, "size": 8},
                    mode="lines+markers",
                ),
                row=panel // 2 + 1,
                col=panel % 2 + 1,
            )
    figure.update_xaxes(type="log")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(title="Batch size", row=2)
    layout = base_layout("Training costs by batch size")
    figure.update_layout(layout, height=HEIGHT_PX, legend_y=1.07)  # above the panels' titles
    return figure
