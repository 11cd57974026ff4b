"""Several views of one idea in one figure, with a menu that switches between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rightfit.reporting.charts.palette import PlotlyJson

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def behind_menu(figures: Mapping[str, Figure | PlotlyJson], *, shown: str, label: str) -> Figure:
    """Put figures behind one menu; the reader sees one at a time.

    Args:
        figures: Label in the menu -> figure, or its ``data`` and ``layout`` in plotly's JSON form,
            which is made faster where there are many; the figures share one template.
        shown: Label of the view that is open at first.
        label: What the menu chooses, for readers who cannot see that it is one; kept in the
            layout's ``meta.menu_label``.

    Returns:
        One figure with the traces of all; a choice swaps the visible traces and the layout.

    Raises:
        ValueError: If ``shown`` is not among the figures.
    """
    from plotly.graph_objects import Figure

    if shown not in figures:
        raise ValueError(f"shown must be one of {list(figures)}, but got {shown=}.")
    views = {
        name: figure if isinstance(figure, dict) else figure.to_plotly_json()
        for name, figure in figures.items()
    }
    owners = [name for name, view in views.items() for _ in view["data"]]
    traces = [
        {**trace, "visible": name == shown}
        for name, view in views.items()
        for trace in view["data"]
    ]
    menu = {
        "active": list(figures).index(shown),
        "x": 0,  # between title and plot, so that it covers neither
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 8},
        "buttons": [
            {
                "label": name,
                "method": "update",
                "args": [
                    {"visible": [owner == name for owner in owners]},
                    _without_template(view["layout"]),
                ],
            }
            for name, view in views.items()
        ],
    }
    own = {"meta": {"menu_label": label}, "updatemenus": [menu]}
    return Figure(data=traces, layout={**views[shown]["layout"], **own})


def _without_template(layout: PlotlyJson) -> PlotlyJson:
    """Return what a view must set so that nothing of the view before it stays."""
    own = {name: value for name, value in layout.items() if name != "template"}
    return {"shapes": [], "annotations": [], **own}
