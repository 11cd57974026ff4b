"""Colours of the charts: one per family wherever it appears, safe for colour-blind readers.

The family colours are Okabe and Ito's (Color Universal Design, 2008), one darkened, so that each
stands out from white paper and from a dark screen by a contrast of 3 : 1 or more. Objectives take
greys of one hue, so that they are never mistaken for families and survive a black-and-white print.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any

PlotlyJson = dict[str, Any]  # a trace, layout or figure in plotly's JSON form

FAMILY_COLORS = ("#0072B2", "#009E73", "#D55E00", "#C2689B", "#A07C00", "#6A70C8")
FAMILY_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon")
NEUTRAL = "#808792"  # lines that must show on white and on black

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"

# Charts are shown on any page: colours legible on white and on black.
INK = "#747a85"
GRID = "rgba(128,135,146,0.25)"
PAPER = "#ffffff"  # of hover boxes
TONES = ("#4a5a7c", "#65759a", "#8292b4", "#a0aec9", "#bcc7dc")  # of objectives, heaviest first


class Chart(PlotlyJson):
    """``data`` and ``layout`` of a figure; importing plotly and making its own takes a second."""

    def write_json(self, file: IO[str]) -> None:
        """Write it as plotly's figures are written: Kedro's dataset of them calls this."""
        file.write(json.dumps(self, allow_nan=False))  # json.dump is far slower


@dataclass(frozen=True)
class Mark:
    """How a family is drawn."""

    color: str
    symbol: str


def marks_of(families: Iterable[str]) -> dict[str, Mark]:
    """Give each family its colour and symbol.

    A family keeps its mark when others are added behind it.

    >>> marks_of(["linear", "forest", "linear"])["forest"]
    Mark(color='#009E73', symbol='square')
    """
    return {
        family: Mark(
            FAMILY_COLORS[position % len(FAMILY_COLORS)],
            FAMILY_SYMBOLS[position % len(FAMILY_SYMBOLS)],
        )
        for position, family in enumerate(dict.fromkeys(families))
    }


def base_layout(title: str, subtitle: str = "") -> dict[str, object]:
    """Build what every chart's layout starts from: its title, and colours for any page."""
    return {
        "template": plotly_template(),
        "title": {
            "text": title,
            "subtitle": {"text": subtitle},
            "x": 0,
            "xanchor": "left",
            "xref": "paper",
            "y": 0.97,
            "yanchor": "top",
            "yref": "container",
            "font": {"size": 16},
        },
    }


def plotly_template() -> dict[str, object]:
    """Build the plotly template of all charts: transparent, with quiet axes."""
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "tickcolor": GRID,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": INK},
        "title": {"font": {"color": INK, "size": 13}, "standoff": 8},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(TONES),
            "xaxis": axis,
            "yaxis": axis | {"ticklabelstandoff": 6},
            "hoverlabel": {
                "bgcolor": PAPER,
                "bordercolor": INK,
                "font": {"color": INK},
                "align": "left",
            },
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "shapedefaults": {
                "line": {"color": INK, "width": 1.5, "dash": "dot"},
                "label": {"font": {"color": INK, "size": 11}},
            },
            "annotationdefaults": {
                "font": {"color": INK, "size": 12},
                "arrowcolor": INK,
                "showarrow": False,
            },
            "margin": {"l": 8, "r": 16, "t": 112, "b": 40},
        }
    }
