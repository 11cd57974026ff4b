"""Several views of one idea in one figure, with a menu that switches between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def behind_menu(figures: Mapping[str, Figure], *, shown: str, label: str) -> Figure:
    """Put figures behind one menu; the reader sees one at a time.

    Args:
        figures: Label in the menu -> figure; the figures share one template.
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
    owners = [name for name, figure in figures.items() for _ in figure.data]
    layouts = {name: _layout_of(figure) for name, figure in figures.items()}
    traces = [
        {**trace.to_plotly_json(), "visible": name == shown}
        for name, figure in figures.items()
        for trace in figure.data
    ]
    menu = {
        "active": list(figures).index(shown),
        "x": 1,
        "xanchor": "right",
        "y": 1.1,
        "yanchor": "bottom",
        "buttons": [
            {
                "label": name,
                "method": "update",
                "args": [{"visible": [owner == name for owner in owners]}, layout],
            }
            for name, layout in layouts.items()
        ],
    }
    own = {"meta": {"menu_label": label}, "updatemenus": [menu]}
    return Figure(data=traces, layout={**figures[shown].layout.to_plotly_json(), **own})


def _layout_of(figure: Figure) -> dict[str, object]:
    """Return what a view must set so that nothing of the view before it stays."""
    layout = figure.layout.to_plotly_json()
    layout.pop("template", None)
    return {"shapes": [], "annotations": [], **layout}
