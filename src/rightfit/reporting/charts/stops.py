"""What became of the trials, and the compute their early stops saved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from rightfit.naming import words
from rightfit.reporting.charts.palette import ANY_PAGE, NEUTRAL, TONED, base_layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BAR_PX = 30
SCHEMA: Mapping[str, type[pl.DataType]] = {
    "cell": pl.String,
    "cause": pl.String,
    "n_trials": pl.Int64,
    "compute_s": pl.Float64,
    "saved_s": pl.Float64,
}
SAVED = "saved by stopping (estimate)"


def sum_compute(trials: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Sum trials and compute per cell and cause.

    Returns:
        One row per cell and cause: ``cell``, ``cause`` (``complete``, ``failed``, or the rule that
        stopped), ``n_trials``, ``compute_s``, ``saved_s`` (an estimate; 0 where there is none).
    """
    empty: pl.DataFrame = pl.DataFrame(schema=SCHEMA)
    return pl.concat([empty, *(_sum_cell(cell, table) for cell, table in trials.items())])


def _sum_cell(cell: str, trials: pl.DataFrame) -> pl.DataFrame:
    rule = pl.col("stop_reason").str.split(":").list.first().str.replace_all("_", " ")
    stopped = pl.col("state") == "stopped"
    return (
        trials.with_columns(
            cell=pl.lit(cell),
            cause=pl.when(stopped).then(rule).otherwise(pl.col("state")),
        )
        .group_by("cell", "cause", maintain_order=True)
        .agg(
            n_trials=pl.len().cast(pl.Int64),
            compute_s=pl.col("compute_s").sum(),
            saved_s=pl.col("saved_s").sum(),
        )
    )


def draw_stops(compute: pl.DataFrame) -> Figure:
    """Draw the compute of each cell by what became of its trials, and what stopping saved.

    Returns:
        Stacked bars, one per cell.
    """
    from plotly.graph_objects import Bar, Figure

    cells = compute["cell"].unique(maintain_order=True).to_list()
    labels = {cell: " · ".join(words(part) for part in cell.split(".")) for cell in cells}
    bars = []
    by_cause = compute.group_by("cause", maintain_order=True)
    for ((cause,), part), tone in zip(by_cause, itertools.cycle(ANY_PAGE.tones), strict=False):
        name = cause if cause in ("complete", "failed") else f"stopped: {cause}"
        bars.append(
            Bar(
                x=part["compute_s"].to_list(),
                y=[labels[cell] for cell in part["cell"]],
                orientation="h",
                name=name,
                meta=TONED,
                marker={"color": tone},
                customdata=part["n_trials"].to_list(),
                hovertemplate=f"{name}: %{{customdata}} trials, %{{x:.3~g}} s<extra></extra>",
            )
        )
    saved = compute.group_by("cell", maintain_order=True).agg(pl.col("saved_s").sum())
    bars.append(
        Bar(
            x=saved["saved_s"].to_list(),
            y=[labels[cell] for cell in saved["cell"]],
            orientation="h",
            name=SAVED,
            marker={
                "color": "rgba(0,0,0,0)",
                "line": {"color": NEUTRAL, "width": 1.5},
                "pattern": {"shape": "/", "fgcolor": NEUTRAL, "size": 6},
            },
            hovertemplate="saved %{x:.3~g} s<extra></extra>",
        )
    )
    return Figure(
        data=bars,
        layout={
            **base_layout("Compute of the search"),
            "barmode": "stack",
            "bargap": 0.35,
            "height": 190 + BAR_PX * len(cells),
            "legend": {"traceorder": "normal"},
            "xaxis": {"title": {"text": "CPU seconds"}},
            "yaxis": {"autorange": "reversed", "showgrid": False},
        },
    )
