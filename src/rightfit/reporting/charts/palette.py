"""Colours of the charts: one per family wherever it appears, safe for colour-blind readers.

The family colours are Okabe and Ito's (Color Universal Design, 2008), one darkened, so that each
stands out from white paper and from a dark screen by a contrast of 3 : 1 or more. Objectives take
greys of one hue, so that they are never mistaken for families and survive a black-and-white print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PlotlyJson = dict[str, Any]  # a trace, layout or figure in plotly's JSON form

FAMILY_COLORS = ("#0072B2", "#009E73", "#D55E00", "#C2689B", "#A07C00", "#6A70C8")
FAMILY_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon")
TONED = "toned"  # a trace's meta: its colour may give way to a tone of the page's theme
NEUTRAL = "#808792"  # lines that must show on white and on black

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Theme:
    """Colours that differ between a light and a dark page.

    Args:
        ink: Text and limit lines.
        muted: Axis titles and ticks.
        grid: Grid lines.
        paper: Background of the page, for outlines and hover boxes.
        tones: Colours of the objectives, the heaviest first.
    """

    ink: str
    muted: str
    grid: str
    paper: str
    tones: tuple[str, ...]


THEMES: Mapping[str, Theme] = {
    "light": Theme(
        ink="#1b2330",
        muted="#4f5b6b",
        grid="#e3e7ed",
        paper="#ffffff",
        tones=("#2f3d5a", "#5a6a8c", "#8896b3", "#b2bdd1", "#d3dae6"),
    ),
    "dark": Theme(
        ink="#e8ecf2",
        muted="#a9b3c1",
        grid="#2c343f",
        paper="#12161c",
        tones=("#dbe2ee", "#aab6cd", "#7f8dac", "#5d6b8c", "#434f6c"),
    ),
}

# Charts outside the report are shown on any page: colours legible on white and on black.
ANY_PAGE = Theme(
    ink="#747a85",
    muted="#747a85",
    grid="rgba(128,135,146,0.25)",
    paper="#ffffff",
    tones=("#4a5a7c", "#65759a", "#8292b4", "#a0aec9", "#bcc7dc"),
)


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
        "template": plotly_template(ANY_PAGE),
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


def plotly_template(theme: Theme) -> dict[str, object]:
    """Build the plotly template of a theme: transparent, quiet axes, text in the theme's ink."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "tickcolor": theme.grid,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": theme.muted},
        "title": {"font": {"color": theme.muted, "size": 13}, "standoff": 8},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": theme.ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(theme.tones),
            "xaxis": axis,
            "yaxis": axis | {"ticklabelstandoff": 6},
            "hoverlabel": {
                "bgcolor": theme.paper,
                "bordercolor": theme.muted,
                "font": {"color": theme.ink},
                "align": "left",
            },
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "shapedefaults": {
                "line": {"color": theme.ink, "width": 1.5, "dash": "dot"},
                "label": {"font": {"color": theme.muted, "size": 11}},
            },
            "annotationdefaults": {
                "font": {"color": theme.ink, "size": 12},
                "arrowcolor": theme.muted,
                "showarrow": False,
            },
            "margin": {"l": 8, "r": 16, "t": 112, "b": 40},
        }
    }
