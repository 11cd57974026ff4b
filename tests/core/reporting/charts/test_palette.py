"""Colours that can be told apart on both pages."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from rightfit.reporting.charts.palette import (
    FAMILY_COLORS,
    INK,
    NEUTRAL,
    Mark,
    marks_of,
    plotly_template,
)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def read_themes() -> list[dict[str, str]]:
    """Read the report's colours on a light, a dark and a printed page."""
    css = files("rightfit.reporting").joinpath("templates/report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in blocks]


LIGHT, DARK = read_themes()[:2]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("color", [*FAMILY_COLORS, NEUTRAL])
def test_marks_stand_out_from_the_page(theme: dict[str, str], color: str) -> None:
    assert contrast(color, theme["paper"]) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_texts_are_legible_on_the_page(theme: dict[str, str]) -> None:
    assert contrast(theme["ink"], theme["paper"]) >= 7
    for name in ("muted", "accent", "good", "bad", "warn"):
        assert contrast(theme[name], theme["paper"]) >= 4.5
    for name in ("good", "bad", "warn"):
        assert contrast(theme[name], theme[f"{name}-paper"]) >= 4.5


def test_family_keeps_its_mark_when_others_are_added() -> None:
    few, many = marks_of(["linear", "forest"]), marks_of(["linear", "forest", "net", "boosting"])

    assert few["forest"] == many["forest"] == Mark("#009E73", "square")
    assert len({mark.color for mark in many.values()}) == 4
    assert len({mark.symbol for mark in many.values()}) == 4


def test_template_is_a_valid_plotly_template() -> None:
    from plotly.graph_objects import Figure

    figure = Figure(layout={"template": plotly_template()})

    assert figure.layout.template.layout.font.color == INK
