"""How much a winner hangs on the weights: its share of weight space, and single weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from rightfit.reporting.charts.palette import NEUTRAL, THEMES, Mark, plotly_template
from rightfit.reporting.naming import metric_name, words

if TYPE_CHECKING:
    from plotly.graph_objects import Bar, Figure, Scatter

ROW_PX = 40
SMALLEST_LABELLED = 0.12  # share of weight space below which a name does not fit its segment
PERCENT_AXIS: Mapping[str, Any] = {"range": [0, 1], "tickformat": ".0%"}


def draw_win_shares(
    win_shares: pl.DataFrame, *, application: str, marks: Mapping[str, Mark]
) -> Figure:
    """Draw one bar per dataset, divided by who wins in which share of weight space.

    Args:
        win_shares: Table ``win_shares`` of the ranking stage.
        application: Whose weights.
        marks: Colour of each family; candidates of one family are told apart by their names.
    """
    from plotly.graph_objects import Figure

    mine = win_shares.filter(pl.col("application") == application, pl.col("win_share") > 0)
    figure = Figure()
    for row in mine.sort("win_share", descending=True, maintain_order=True).to_dicts():
        figure.add_trace(_segment(row, marks[row["model"]]))
    n_datasets = mine["dataset"].n_unique()
    figure.update_layout(
        template=plotly_template(THEMES["light"]),
        title_text=f"{words(application).capitalize()}: who wins over all weightings",
        barmode="stack",
        bargap=0.35,
        height=160 + ROW_PX * max(1, n_datasets),
        showlegend=False,
        xaxis={**PERCENT_AXIS, "title": {"text": "Share of all weightings"}},
        yaxis={
            "showgrid": False,
            "categoryorder": "array",
            "categoryarray": [words(name) for name in mine["dataset"].unique(maintain_order=True)],
            "autorange": "reversed",
        },
    )
    return figure


def _segment(row: Mapping[str, Any], mark: Mark) -> Bar:
    from plotly.graph_objects import Bar

    fits = row["win_share"] >= SMALLEST_LABELLED
    return Bar(
        x=[row["win_share"]],
        y=[words(row["dataset"])],
        orientation="h",
        name=row["candidate"],
        marker={"color": mark.color, "line": {"color": "#ffffff", "width": 1.5}},
        text=[row["candidate"] if fits else ""],
        textposition="inside",
        insidetextanchor="middle",
        insidetextfont={"color": "#ffffff"},
        textangle=0,
        hovertemplate=f"{row['candidate']} wins under %{{x:.1%}} of all weightings<extra></extra>",
    )


def draw_weight_intervals(
    intervals: pl.DataFrame,
    *,
    application: str,
    family_of: Mapping[str, str],
    marks: Mapping[str, Mark],
) -> Figure:
    """Draw how far each weight can move before another candidate leads, and which.

    Args:
        intervals: Table ``weight_intervals`` of the ranking stage.
        application: Whose weights.
        family_of: Family of each candidate.
        marks: Colour of each family.
    """
    from plotly.graph_objects import Figure, Scatter

    mine = intervals.filter(pl.col("application") == application)
    rows = mine.with_columns(place=pl.int_range(pl.len()) + pl.col("dataset").rle_id() + 1)
    n_places = max(rows["place"].to_list(), default=0) + 1
    colors = {candidate: marks[family].color for candidate, family in family_of.items()}
    figure = Figure(data=[_interval(row, colors) for row in rows.to_dicts()])
    figure.add_trace(
        Scatter(
            x=rows["share"].to_list(),
            y=rows["place"].to_list(),
            mode="markers",
            name="weight now",
            marker={"color": NEUTRAL, "symbol": "line-ns-open", "size": 16, "line": {"width": 3}},
            hovertemplate="weight now %{x:.0%}<extra></extra>",
        )
    )
    heads = rows.group_by("dataset", maintain_order=True).agg(pl.col("place").min() - 1)
    for dataset, place in heads.iter_rows():
        figure.add_annotation(
            text=f"<b>{words(dataset)}</b>", x=0, y=place + 0.1, xanchor="left", yanchor="middle"
        )
    figure.update_layout(
        template=plotly_template(THEMES["light"]),
        title_text=f"{words(application).capitalize()}: how far each weight can move",
        height=160 + ROW_PX * n_places,
        showlegend=False,
        xaxis={**PERCENT_AXIS, "range": [-0.01, 1.01], "title": {"text": "Share of the weight"}},
        yaxis={
            "range": [n_places - 0.4, -0.6],
            "showgrid": False,
            "tickvals": rows["place"].to_list(),
            "ticktext": [metric_name(metric) for metric in rows["metric"]],
        },
    )
    return figure


def _interval(row: Mapping[str, Any], colors: Mapping[str, str]) -> Scatter:
    """Draw one weight's range as a thick line that names who leads beyond its ends."""
    from plotly.graph_objects import Scatter

    ends = (row["share_low"], row["share_high"])
    beyond = (row["leader_below"], row["leader_above"])
    return Scatter(
        x=[0 if ends[0] is None else ends[0], 1 if ends[1] is None else ends[1]],
        y=[row["place"]] * 2,
        mode="lines+text",
        line={"color": colors.get(row["leader"], NEUTRAL), "width": 9},
        text=[name or "" for name in beyond],
        textposition=["top left" if (ends[0] or 0) > 0.25 else "top right", "top right"],
        textfont={"size": 11},
        cliponaxis=False,
        name=row["leader"] or "",
        hovertemplate=f"{row['leader']} leads up to %{{x:.0%}}<extra></extra>",
    )
