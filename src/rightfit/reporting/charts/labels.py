"""Names of winners beside a scatter chart, one above the other, each with a line to its mark."""

from __future__ import annotations

import math

import polars as pl

from rightfit.naming import words

LINE_SHARE = 0.055  # height of one line of text, as a share of the chart's height
LABEL_SHARE = 0.24  # width kept free for the labels, as a share of the chart's width


def label_winners(
    won: pl.DataFrame,
    *,
    cost: str,
    cost_range: list[float],
    quality_range: list[float],
    on_the_right: bool,
) -> list[dict[str, object]]:
    """Place the labels of the winners in a column where the front leaves room.

    Args:
        won: Winning profiles; ``application`` lists what each wins.
        cost: Metric of the horizontal axis.
        cost_range: Range of that axis in decades.
        quality_range: Range of the vertical axis.
        on_the_right: Whether the room is on the right.

    Returns:
        Plotly's annotations, from the highest label to the lowest.
    """
    left, right = cost_range
    shift = LABEL_SHARE * (right - left)
    column = right - shift if on_the_right else left + shift
    line = LINE_SHARE * (quality_range[1] - quality_range[0])
    annotations = []
    ceiling = quality_range[1]
    for row in won.sort("quality_raw", descending=True, maintain_order=True).to_dicts():
        half = len(row["application"]) * line / 2
        middle = min(row["quality_raw"], ceiling - half)
        ceiling = middle - half - line / 3
        annotations.append(
            {
                "text": "<br>".join(words(name) for name in row["application"]),
                "x": math.log10(row[cost]),
                "y": row["quality_raw"],
                "ax": column,
                "ay": middle,
                "axref": "x",
                "ayref": "y",
                "xanchor": "left" if on_the_right else "right",
                "align": "left" if on_the_right else "right",
                "showarrow": True,
                "arrowhead": 0,
                "arrowwidth": 1,
                "standoff": 10,
            }
        )
    return annotations
