"""The first screen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rightfit.reporting.overview import describe_applications, write_headline
from rightfit.reporting.results import Results


def test_headline_counts_choices_and_what_quality_alone_wins(results: Results) -> None:
    assert write_headline(results) == (
        "12 cases (4 applications on 3 datasets): 10 of 18 models fit best at least once, the one "
        "of the highest quality in 3."
    )


def test_headline_counts_decisions_without_a_winner(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    only = {"edge_device": copy.deepcopy(applications["edge_device"])}
    only["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 1
    found = make_results(only)
    cards = describe_applications(found)[0].cards

    assert write_headline(found) == (
        "3 cases (1 application on 3 datasets): 0 of 18 models fit best at least once, the one of "
        "the highest quality in 0; in 3 none fits."
    )
    assert [card.winner for card in cards] == [None, None, None]
    assert cards[0].sentence.startswith("No candidate qualifies for landsat")


def test_card_shows_what_counts_for_the_application(results: Results) -> None:
    satellite = describe_applications(results)[0]
    card = satellite.cards[0]

    assert satellite.request == (
        "Weights: quality 56 %, throughput 33 % and peak memory 11 %. Limits: throughput at least "
        "200 k rows/s and quality at most 0.1 below the best."
    )
    assert card.winner is not None
    assert card.winner.candidate == "net-09"
    assert card.serving == "onnx, 2 threads, tier micro"
    assert card.facts == (
        "accuracy 0.861 · throughput 5.92\N{NO-BREAK SPACE}M\N{NO-BREAK SPACE}rows/s · "
        "peak memory 59\N{NO-BREAK SPACE}MiB"
    )
    assert card.tie == "tied with 1"
    assert card.utility == "utility 0.75 (0.73 to 0.77)"
