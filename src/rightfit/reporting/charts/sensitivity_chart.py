"""How the winners depend on the weights: shares of weight space, and single weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from rightfit.naming import metric_name, sentence_case, words
from rightfit.ranking.sensitivity.weight_intervals import WeightInterval
from rightfit.reporting.charts.palette import NEUTRAL, Mark, base_layout
from rightfit.reporting.charts.rows import arrange_rows, place_rows
from rightfit.typed_tables import read_rows

if TYPE_CHECKING:
    from plotly.graph_objects import Bar, Figure, Scatter

ROW_PX = 32
SMALLEST_LABELLED = 0.15  # share of weight space below which a name does not fit its segment
BESIDE = 0.25  # room for names on both sides of the axis from 0 to 1
PERCENT_TICKS: Mapping[str, Any] = {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}


def draw_win_shares(win_shares: pl.DataFrame, *, marks: Mapping[str, Mark]) -> Figure:
    """Draw one bar per application and dataset, divided by the weightings each candidate wins."""
    from plotly.graph_objects import Figure

    bars = place_rows(
        win_shares.select("application", "dataset").unique(maintain_order=True), "application"
    )
    won = (
        win_shares.filter(pl.col("win_share") > 0)
        .sort("win_share", descending=True, maintain_order=True)
        .join(bars, on=["application", "dataset"], maintain_order="left")
    )
    segments = won.select("candidate", "win_share", "place", "model").iter_rows()
    labels = [words(name) for name in bars["dataset"]]
    return Figure(
        data=[_segment(name, share, place, marks[model]) for name, share, place, model in segments],
        layout={
            **base_layout("Who wins under all weightings"),
            **arrange_rows(bars, head="application", labels=labels, row_px=ROW_PX),
            "barmode": "stack",
            "bargap": 0.3,
            "showlegend": False,
            "xaxis": {
                **PERCENT_TICKS,
                "range": [0, 1],
                "title": {"text": "Share of all weightings"},
            },
        },
    )


def _segment(candidate: str, share: float, place: int, mark: Mark) -> Bar:
    from plotly.graph_objects import Bar

    return Bar(
        x=[share],
        y=[place],
        orientation="h",
        name=candidate,
        marker={"color": mark.color, "line": {"color": "#ffffff", "width": 1.5}},
        text=[candidate if share >= SMALLEST_LABELLED else ""],
        textposition="inside",
        insidetextanchor="middle",
        insidetextfont={"color": "#ffffff"},
        textangle=0,
        hovertemplate=f"{candidate} wins under %{{x:.1%}} of all weightings<extra></extra>",
    )


def draw_weight_intervals(
    intervals: pl.DataFrame,
    *,
    application: str,
    family_of: Mapping[str, str],
    marks: Mapping[str, Mark],
) -> Figure:
    """Draw how far each weight can move before another candidate leads, and which."""
    from plotly.graph_objects import Figure, Scatter

    colors = {candidate: marks[family].color for candidate, family in family_of.items()}
    rows = place_rows(intervals.filter(pl.col("application") == application), "dataset")
    known = rows.filter(pl.col("leader").is_not_null())
    ranges = zip(read_rows(known, WeightInterval), known["place"], strict=True)
    now = Scatter(
        x=rows["share"].to_list(),
        y=rows["place"].to_list(),
        mode="markers",
        name="weight now",
        marker={"color": NEUTRAL, "symbol": "line-ns-open", "size": 16, "line": {"width": 3}},
        hovertemplate="weight now %{x:.0%}<extra></extra>",
    )
    labels = [metric_name(metric) for metric in rows["metric"]]
    return Figure(
        data=[*(_range(row, place, colors) for row, place in ranges), now],
        layout={
            **base_layout(f"{sentence_case(words(application))}: how far each weight can move"),
            **arrange_rows(rows, head="dataset", labels=labels, row_px=ROW_PX),
            "showlegend": False,
            "xaxis": {
                **PERCENT_TICKS,
                "range": [-BESIDE, 1 + BESIDE],
                "title": {"text": "Share of the weight"},
            },
        },
    )


def _range(row: WeightInterval, place: int, colors: Mapping[str, str]) -> Scatter:
    """Draw one weight's range as a thick line with the names of the leaders beyond its ends."""
    from plotly.graph_objects import Scatter

    leader = row.leader or ""
    return Scatter(
        x=[row.share_low, row.share_high],
        y=[place] * 2,
        mode="lines+text",
        line={"color": colors[leader], "width": 8},
        text=[f"{row.leader_below or ''}\u2002", f"\u2002{row.leader_above or ''}"],
        textposition=["middle left", "middle right"],
        textfont={"size": 11},
        cliponaxis=False,
        name=leader,
        hovertemplate=f"{leader} leads to %{{x:.0%}}<extra></extra>",
    )
