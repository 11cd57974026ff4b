"""Charts of many rows under heads: the place of each row and the labels of the axis."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rightfit.naming import words
from rightfit.reporting.charts.palette import PlotlyJson

FRAME_PX = 150  # of a chart: title, legend and horizontal axis


def place_rows(frame: pl.DataFrame, head: str) -> pl.DataFrame:
    """Number rows from the top, one place free above each block for its head.

    Returns:
        The frame with the column ``place``.

    >>> place_rows(pl.DataFrame({"dataset": ["a", "a", "b"]}), "dataset")["place"].to_list()
    [1, 2, 4]
    """
    return frame.with_columns(place=pl.int_range(pl.len()) + pl.col(head).rle_id() + 1)


def arrange_rows(
    placed: pl.DataFrame, *, head: str, labels: Sequence[str], row_px: int
) -> PlotlyJson:
    """Return the vertical axis, the heads of the blocks and the height of a chart of rows."""
    n_places = max(placed["place"].to_list(), default=0) + 1
    axis: PlotlyJson = {
        "range": [n_places - 0.4, -1.0],  # kedro-viz writes the title into the chart's top
        "showgrid": False,
        "tickvals": placed["place"].to_list(),
        "ticktext": list(labels),
    }
    heads = placed.group_by(head, maintain_order=True).agg(pl.col("place").min() - 1)
    annotations = [
        {
            "text": f"<b>{words(text)}</b>",
            "x": 0,
            "y": place + 0.15,
            "xanchor": "left",
            "yanchor": "middle",
        }
        for text, place in heads.iter_rows()
    ]
    return {"yaxis": axis, "height": FRAME_PX + row_px * n_places, "annotations": annotations}
