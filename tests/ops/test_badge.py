"""The badge of an export."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from factories.reports import APPLICATIONS, build_results, make_profiles

from rightfit.exporting.badge import render_badge
from rightfit.ranking.explanation.decisions import Decision, Quality

DECISION = (
    build_results(APPLICATIONS, make_profiles()).recommendations["web_api"].datasets["landsat"]
)


def texts(decision: Decision) -> list[str | None]:
    return [node.text for node in ET.fromstring(render_badge(decision)).iter() if node.text]  # noqa: S314 - our own text


def test_badge_names_the_status_and_the_quality() -> None:
    assert texts(DECISION)[-1] == "likely · accuracy 0.894"


def test_badge_without_a_winner_says_so() -> None:
    none = DECISION.model_copy(update={"winner": None, "outcome": "none_qualifies"})

    assert texts(none)[-1] == "none qualifies"


@pytest.mark.parametrize("name", ['<script>"&', "a\x1bb"])
def test_badge_takes_names_for_text(name: str) -> None:
    assert DECISION.winner is not None
    quality = Quality(metric=name, value=0.5, low=None, high=None)
    winner = DECISION.winner.model_copy(update={"quality": quality})

    assert "0.500" in str(texts(DECISION.model_copy(update={"winner": winner}))[-1])
