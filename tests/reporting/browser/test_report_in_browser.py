"""The report in a real browser."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from rightfit.reporting.results import Results

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
MAX_BYTES = 6_000_000


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_opens_offline_without_complaint(
    open_page: Callable[..., Any], report_path: Path, size: str, scheme: str
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES[size], color_scheme=scheme, offline=True)
    page.wait_for_selector(".chart .main-svg")
    n_drawn = page.evaluate(
        "[...document.querySelectorAll('.chart')].filter(c => c.querySelector('.main-svg')).length"
    )
    n_charts = page.locator(".chart").count()
    width = page.evaluate("document.documentElement.scrollWidth")

    assert page.complaints == []
    assert n_drawn == n_charts == 13
    assert width == SIZES[size]["width"]


@pytest.mark.browser
def test_report_first_screen_names_every_winner(
    open_page: Callable[..., Any], report_path: Path, results: Results
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    seen = page.evaluate(
        """() => [...document.querySelectorAll('.winner')]
            .filter(card => card.getBoundingClientRect().bottom <= innerHeight)
            .map(card => card.querySelector('.name').firstChild.nextSibling.textContent.trim())"""
    )
    winners = [
        decision.winner and decision.winner.candidate
        for recommendation in results.recommendations.values()
        for decision in recommendation.datasets.values()
    ]

    assert seen == winners


@pytest.mark.browser
def test_report_charts_follow_the_theme(open_page: Callable[..., Any], report_path: Path) -> None:
    page = open_page(report_path.as_uri(), color_scheme="dark")
    tick = page.locator(".chart .xtick text").first

    expect(tick).to_have_css("fill", "rgb(169, 179, 193)")
    page.emulate_media(color_scheme="light")
    expect(tick).to_have_css("fill", "rgb(79, 91, 107)")


@pytest.mark.browser
def test_report_menu_switches_the_cost_by_keyboard(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    title = page.locator("#fronts .chart").first.locator(".xtitle")

    expect(title).to_have_text("Latency p50 (ms), lower is better")
    page.locator("#fronts select").first.focus()
    page.keyboard.press("End")
    expect(title).to_have_text("Training time (s), lower is better")


@pytest.mark.browser
def test_report_is_accessible_in_name_and_structure(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))"
    )
    unnamed = page.evaluate(
        """[...document.querySelectorAll('.chart, input, select')].filter(
            node => !(node.ariaLabel || node.closest('label'))).length"""
    )

    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert unnamed == 0


@pytest.mark.browser
def test_decision_record_is_linked_first_and_prints_alone(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    page.evaluate("window.print = () => {}")  # no dialogue

    page.locator("header a", has_text="Decision record").nth(2).click()
    expect(page.locator("#decision-web_api")).to_be_in_viewport()
    page.locator("#decision-web_api .print-page").click()
    page.emulate_media(media="print")
    shown = page.evaluate(
        """[...document.querySelectorAll('main > section, body > header')].filter(
            part => part.checkVisibility()).map(part => part.id)"""
    )

    assert shown == ["decision-web_api"]
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#fronts")).to_be_visible()
