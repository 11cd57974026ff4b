"""A badge for a model card: how sure the choice of a model is, and its quality, as SVG."""

from __future__ import annotations

from xml.sax.saxutils import escape

from rightfit._core.formatting import clean_text, format_quality
from rightfit.ranking.explanation.decisions import Decision

COLORS = {"clear": "#14703c", "likely": "#7a5300", "open": "#7a5300", None: "#a3321b"}
LABEL, LABEL_WIDTH = "rightfit", 58
PX_PER_LETTER, PADDING_PX = 7, 14


def render_badge(decision: Decision) -> str:
    """Draw the badge of a decision; it loads nothing from any host."""
    quality = decision.winner and decision.winner.quality
    figure = f" \N{MIDDLE DOT} {quality.metric} {format_quality(quality.value)}" if quality else ""
    plain = f"{decision.mark or decision.without_winner}{figure}"
    width = PX_PER_LETTER * len(plain) + PADDING_PX
    text = escape(clean_text(plain))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL_WIDTH + width}" height="20" role="img" \
aria-label="{LABEL}: {text.replace('"', "&quot;")}">
<rect width="{LABEL_WIDTH + width}" height="20" rx="3" fill="#3a4350"/>
<rect x="{LABEL_WIDTH}" width="{width}" height="20" rx="3" fill="{COLORS[decision.mark]}"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="12" text-anchor="middle">
<text x="{LABEL_WIDTH / 2:g}" y="14">{LABEL}</text>
<text x="{LABEL_WIDTH + width / 2:g}" y="14">{text}</text>
</g>
</svg>
"""
