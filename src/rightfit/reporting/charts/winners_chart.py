"""The first screen as a chart for kedro-viz: applications by datasets, the winner in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightfit.formatting import format_quality
from rightfit.naming import sentence_case, words
from rightfit.ranking.explanation.decisions import Decision, Recommendations, list_decisions
from rightfit.reporting.charts.palette import NEUTRAL, Mark, base_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plotly.graph_objects import Figure

ROW_PX = 74


def draw_winners(recommendations: Recommendations, marks: Mapping[str, Mark]) -> Figure:
    """Draw a cell per application and dataset, with the mark of the winner's family."""
    from plotly.graph_objects import Figure, Scatter

    cells = list_decisions(recommendations)
    drawn = [decision.winner and marks[decision.winner.model] for _, _, decision in cells]
    return Figure(
        data=[
            Scatter(
                x=[words(dataset) for _, dataset, _ in cells],
                y=[sentence_case(words(name)) for name, _, _ in cells],
                mode="markers+text",
                marker={
                    "size": 12,
                    "color": [mark.color if mark else NEUTRAL for mark in drawn],
                    "symbol": [mark.symbol if mark else "x-thin-open" for mark in drawn],
                },
                text=[_write_cell(decision) for _, _, decision in cells],
                textposition="bottom center",
                hovertext=[decision.sentence for _, _, decision in cells],
                hoverinfo="text",
                showlegend=False,
            )
        ],
        layout={
            **base_layout("Which model fits"),
            "height": 160 + ROW_PX * len(recommendations),
            "xaxis": {"side": "top", "showgrid": False, "type": "category"},
            "yaxis": {
                "range": [len(recommendations) - 0.2, -0.4],
                "showgrid": False,
                "type": "category",
            },
        },
    )


def _write_cell(decision: Decision) -> str:
    winner = decision.headline
    if winner is None:
        return decision.without_winner
    quality = format_quality(winner.metrics.get("quality_raw"))
    tie = f"<br>{decision.tie}" if decision.tie else ""
    return f"<b>{winner.candidate}</b><br>{quality}{tie}"
