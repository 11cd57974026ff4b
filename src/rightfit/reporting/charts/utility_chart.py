"""Utilities as bars in ranking order, broken down by objective; and the winners at a glance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import polars as pl

from rightfit.measuring.naming import objective_name, sentence_case, serving_labels, words
from rightfit.ranking.assessment.profile_table import CANDIDATE_KEYS, SERVING_KEYS
from rightfit.ranking.explanation.decisions import Recommendations, list_decisions
from rightfit.reporting.charts.palette import NEUTRAL, TONES, Chart, Mark, PlotlyJson, base_layout

N_SHOWN = 6  # candidates per dataset
BAR_PX = 36
ROW_PX = 74  # of the winners
FRAME_PX = 150  # of a chart: title, legend and horizontal axis


def draw_utilities(
    rankings: pl.DataFrame,
    breakdown: pl.DataFrame,
    *,
    application: str,
    marks: Mapping[str, Mark],
) -> Chart:
    """Draw the first candidates of an application, one block of bars per dataset.

    The contributions of a candidate in ``breakdown`` sum to its utility.

    Returns:
        A figure with one block per dataset; candidates that break a limit are pale.
    """
    ranked = rankings.filter(
        pl.col("application") == application,
        pl.col("utility").is_not_null(),
        pl.col("rank") <= N_SHOWN,
    )
    # from the top, one place free above each dataset's block for its head
    placed = ranked.with_columns(place=pl.int_range(pl.len()) + pl.col("dataset").rle_id() + 1)
    parts = breakdown.filter(pl.col("application") == application)
    keys = (*CANDIDATE_KEYS, *SERVING_KEYS)
    n_places = max(placed["place"].to_list(), default=0) + 1
    heads = placed.group_by("dataset", maintain_order=True).agg(pl.col("place").min() - 1)
    labels = zip(placed["rank"], placed["candidate"], serving_labels(placed), strict=True)
    return Chart(
        data=[
            *(
                _bars(placed.join(part, on=keys, maintain_order="left"), metric, tone)
                for ((metric,), part), tone in zip(
                    parts.group_by("metric", maintain_order=True),
                    itertools.cycle(TONES),
                    strict=False,
                )
            ),
            *(_ends(placed.filter(pl.col("model") == name), mark) for name, mark in marks.items()),
        ],
        layout={
            **base_layout(f"{sentence_case(words(application))}: utility by objective"),
            "height": FRAME_PX + BAR_PX * n_places,
            "legend": {"traceorder": "normal", "yref": "container", "y": 0, "yanchor": "bottom"},
            "barmode": "stack",
            "bargap": 0.35,
            "uniformtext": {"mode": "hide", "minsize": 10},
            "xaxis": {"range": [0, 1.02], "title": {"text": "Utility (0 to 1), higher is better"}},
            "yaxis": {
                "range": [n_places - 0.4, -1.0],  # kedro-viz writes the title into the chart's top
                "showgrid": False,
                "tickvals": placed["place"].to_list(),
                "ticktext": [f"{rank}. {name}<br>{serving}" for rank, name, serving in labels],
            },
            "annotations": [
                {
                    "text": f"<b>{words(dataset)}</b>",
                    "x": 0,
                    "y": position + 0.15,
                    "xanchor": "left",
                    "yanchor": "middle",
                }
                for dataset, position in heads.iter_rows()
            ],
        },
    )


def _bars(part: pl.DataFrame, metric: str, tone: str) -> PlotlyJson:
    return {
        "type": "bar",
        "x": part["contribution"].to_list(),
        "y": part["place"].to_list(),
        "orientation": "h",
        "name": objective_name(metric),
        "marker": {
            "color": tone,
            "opacity": [1.0 if feasible else 0.4 for feasible in part["feasible"]],
        },
        "texttemplate": ["%{x:.2f}" if feasible else "" for feasible in part["feasible"]],
        "textposition": "inside",
        "insidetextanchor": "start",
        "textangle": 0,
        "text": part["candidate"].to_list(),
        "customdata": part.select("score", "share").rows(),
        "hovertemplate": (
            f"%{{text}}: {objective_name(metric)} scores %{{customdata[0]:.2f}}, "
            "weighs %{customdata[1]:.0%}, contributes %{x:.3f}<extra></extra>"
        ),
    }


def _ends(placed: pl.DataFrame, mark: Mark) -> PlotlyJson:
    """Mark the ends of a family's bars in its colour, with the intervals of the utilities."""
    utility, low, high = placed["utility"], placed["utility_low"], placed["utility_high"]
    verdicts = [
        ", lacks a measurement"
        if outcome == "unmeasured"
        else ""
        if feasible
        else ", breaks a limit"
        for outcome, feasible in placed.select("outcome", "feasible").iter_rows()
    ]
    return {
        "type": "scatter",
        "x": utility.to_list(),
        "y": placed["place"].to_list(),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": (high - utility).fill_null(0).to_list(),
            "arrayminus": (utility - low).fill_null(0).to_list(),
            "color": mark.color,
            "thickness": 1.5,
            "width": 4,
        },
        "mode": "markers",
        "marker": {"color": mark.color, "symbol": mark.symbol, "size": 10},
        "name": words(placed["model"][0]) if placed.height else "",
        "showlegend": False,
        "text": placed["candidate"].to_list(),
        "customdata": verdicts,
        "hovertemplate": "%{text}: utility %{x:.3f}%{customdata}<extra></extra>",
    }


def draw_winners(recommendations: Recommendations, marks: Mapping[str, Mark]) -> Chart:
    """Draw a cell per application and dataset, with the mark of the winner's family."""
    cells = list_decisions(recommendations)
    drawn = [decision.winner and marks[decision.winner.model] for _, _, decision in cells]
    texts = []
    for _, _, decision in cells:
        winner = decision.winner
        if winner is None:
            texts.append(decision.without_winner)
            continue
        texts.append(f"<b>{winner.candidate}</b><br>{winner.quality or ''}<br>{decision.status}")
    return Chart(
        data=[
            {
                "type": "scatter",
                "x": [words(dataset) for _, dataset, _ in cells],
                "y": [sentence_case(words(name)) for name, _, _ in cells],
                "mode": "markers+text",
                "marker": {
                    "size": 12,
                    "color": [mark.color if mark else NEUTRAL for mark in drawn],
                    "symbol": [mark.symbol if mark else "x-thin-open" for mark in drawn],
                },
                "text": texts,
                "textposition": "bottom center",
                "hovertext": [decision.sentence for _, _, decision in cells],
                "hoverinfo": "text",
                "showlegend": False,
            }
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
