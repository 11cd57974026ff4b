"""The report in a real browser: what one sees first, how much there is, and that it works."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.reports import APPLICATIONS, build_results, make_profiles
from playwright.sync_api import expect

from rightfit.reporting.run_results import Results

pytestmark = pytest.mark.long

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
MAX_SCREENS, MAX_WORDS, MAX_BYTES = 6, 2_000, 1_500_000  # of three datasets, nothing opened
LABEL_OVERLAPS = """() => [...document.querySelectorAll('#charts svg')].flatMap(svg => {
    const boxOf = node => node.getBoundingClientRect();
    const boxes = query => [...svg.querySelectorAll(query)].map(boxOf);
    const area = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left))
        * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
    const labels = boxes('.label'), frame = svg.getBoundingClientRect();
    const marks = [...boxes('.mark'), ...boxes('.tick')];
    return labels.flatMap((label, i) => [
        ...[...marks, ...labels.slice(i + 1)].map(other => area(label, other)),
        Math.max(0, frame.left - label.left), Math.max(0, label.right - frame.right),
    ]);
}).filter(area => area > 1)"""

SMALL_TEXTS = """() => [...document.querySelectorAll('body *')].filter(node =>
    [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())
    && node.checkVisibility() && parseFloat(getComputedStyle(node).fontSize) < 12
).map(node => node.textContent)"""


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_opens_offline_without_complaint(
    open_page: Callable[..., Any], report_path: Path, size: str, scheme: str
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES[size], color_scheme=scheme, offline=True)
    width = page.evaluate("document.documentElement.scrollWidth")

    assert page.complaints == []
    assert page.locator("#charts svg").count() == 3
    assert width == SIZES[size]["width"]


@pytest.mark.browser
def test_long_names_do_not_widen_the_page(
    open_report: Callable[..., Any], applications: dict[str, Any]
) -> None:
    name = "archive" * 9
    profiles = make_profiles().with_columns(candidate=pl.col("candidate") + "-tuned" * 9)
    results = build_results({name: applications["satellite_archive"]}, profiles)
    page = open_report(results, viewport=SIZES["phone"])

    assert page.evaluate("document.documentElement.scrollWidth") == SIZES["phone"]["width"]


@pytest.mark.browser
def test_reasons_beside_three_costs_are_on_the_desk_in_full(
    open_report: Callable[..., Any], applications: dict[str, Any]
) -> None:
    device = copy.deepcopy(applications["edge_device"])
    device["constraints"] = {
        "peak_memory_one_row_mib": {"max": 96},
        "throughput_rows_per_s": {"min": 1},
    }
    profiles = make_profiles().with_columns(
        low=pl.col("peak_memory_one_row_mib") * 0.99, high=pl.col("peak_memory_one_row_mib") * 1.02
    )
    profiles = profiles.rename({end: f"peak_memory_one_row_mib_{end}" for end in ("low", "high")})
    page = open_report(build_results({"device": device}, profiles), viewport=SIZES["desk"])
    hidden = page.evaluate(
        "[...document.querySelectorAll('.board .table')].map(t => t.scrollWidth - t.clientWidth)"
    )

    assert set(hidden) == {0}


@pytest.mark.browser
def test_report_is_short_until_something_is_opened(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    n_words = page.evaluate(r"document.body.innerText.split(/\s+/).length")
    height_px = page.evaluate("document.documentElement.scrollHeight")

    assert height_px <= MAX_SCREENS * SIZES["desk"]["height"]
    assert n_words <= MAX_WORDS
    assert report_path.stat().st_size <= MAX_BYTES


@pytest.mark.browser
def test_first_screen_decides(open_page: Callable[..., Any], report_path: Path) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    seen = page.locator(".matrix td[id]").evaluate_all(
        "cells => cells.filter(one => one.getBoundingClientRect().bottom <= innerHeight).length"
    )
    cell = page.locator("#cell-web_api-landsat").inner_text()

    assert seen == 12
    assert "Hand-made CPU, 2 cores, 8 GiB, no GPU" in page.locator(".origin").inner_text()
    for fact in (
        "forest-14",
        "likely",
        "0.894 accuracy",
        "≤ 0.08 ms, 49 % left",
        "onnx, 1 thread",
    ):
        assert fact in cell


@pytest.mark.browser
def test_phone_shows_a_winner_per_application_in_one_screen(
    open_report: Callable[..., Any], make_results: Callable[..., Results]
) -> None:
    profiles = make_profiles().filter(pl.col("dataset") == "landsat")
    page = open_report(make_results(profiles=profiles), viewport=SIZES["phone"])
    bottoms = page.locator(".matrix td[id] .name").evaluate_all(
        "names => names.map(name => name.getBoundingClientRect().bottom)"
    )

    assert len(bottoms) == 4
    assert max(bottoms) <= SIZES["phone"]["height"]


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
def test_no_text_is_smaller_than_12_px(
    open_page: Callable[..., Any], report_path: Path, size: str
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES[size])

    assert page.evaluate(SMALL_TEXTS) == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("application", "text"),
    [
        ("accuracy_first", "net-05 has the best ROC AUC, too."),
        ("web_api", "net-05, best ROC AUC"),
    ],
)
def test_chart_calls_the_best_by_the_metric_of_its_dataset(
    open_report: Callable[..., Any], application: str, text: str
) -> None:
    flights = make_profiles().filter(dataset="flights")
    page = open_report(build_results({application: APPLICATIONS[application]}, flights))

    assert text in page.locator("#charts figure").first.text_content()


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
def test_switch_shows_another_machine_in_matrix_charts_and_sliders(
    open_report: Callable[..., Any], fleet_results: Results, size: str
) -> None:
    page = open_report(fleet_results, viewport=SIZES[size])
    page.get_by_role("tab", name="web_api").click()
    cell = page.locator("#cell-web_api-landsat")
    here = cell.inner_text()
    page.get_by_label("Machine this_machine").select_option("board")
    there, chart = cell.inner_text(), page.locator("#charts figcaption").inner_text()

    assert "forest-14" in here
    assert "forest-14" not in there
    assert "net-05 (onnx, 1 thread)" in there
    assert "net-05" in page.locator("#charts svg .label.winner").text_content()
    assert "net-05" in page.locator("#what-if-results p").first.inner_text()
    assert "accuracy on all test rows" in chart
    page.get_by_role("link", name="One model for all").click()
    expect(page.locator("#fleet table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size]["width"]
    assert page.complaints == []


@pytest.mark.browser
def test_tab_and_cell_choose_the_application_on_the_first_screen(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    page.get_by_role("tab", name="edge_device").click()

    expect(page.locator(".matrix td.chosen")).to_have_count(3)
    expect(page.locator("#cell-edge_device-landsat")).to_have_class("chosen")
    page.locator("#cell-web_api-landsat .figures").click()
    expect(page.get_by_role("tab", name="web_api")).to_have_attribute("aria-selected", "true")


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES)
def test_labels_of_charts_lie_under_nothing(
    open_page: Callable[..., Any], report_path: Path, size: str
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES[size])
    for tab in page.locator("[role=tab]").all():
        tab.click()
        for cost in page.locator("#cost option").evaluate_all("all => all.map(one => one.value)"):
            page.locator("#cost").select_option(cost)

            assert page.locator("#charts .label").count() >= 3
            assert page.evaluate(LABEL_OVERLAPS) == []


@pytest.mark.browser
def test_chart_follows_the_theme_and_shows_intervals_at_a_mark(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri(), color_scheme="dark")
    tick = page.locator("#charts .tick").first

    expect(tick).to_have_css("fill", "rgb(163, 174, 188)")
    page.emulate_media(color_scheme="light")
    expect(tick).to_have_css("fill", "rgb(86, 98, 115)")
    page.locator("#charts .ring.winner").first.hover(force=True)
    expect(page.locator("#tip")).to_contain_text("accuracy 0.861 (0.849\N{EN DASH}0.873)")
    expect(page.locator("#charts .whiskers line")).to_have_count(1)


@pytest.mark.browser
def test_tabs_and_tables_work_by_keyboard(open_page: Callable[..., Any], report_path: Path) -> None:
    page = open_page(report_path.as_uri())
    page.locator("[role=tab]").first.focus()
    page.keyboard.press("ArrowRight")
    board = page.locator("#record-edge_device-landsat")

    expect(page.get_by_role("tab", name="edge_device")).to_have_attribute("aria-selected", "true")
    expect(board).to_be_visible()
    expect(page.locator("#record-web_api-landsat")).to_be_hidden()
    board.get_by_role("button", name="Accuracy").focus()
    page.keyboard.press("Enter")
    expect(board.locator("tbody tr").first.locator(".who")).to_contain_text("linear-11")
    board.get_by_role("button", name="Show all 6").click()
    expect(board.locator("tbody tr:visible")).to_have_count(6)


@pytest.mark.browser
def test_cell_leads_to_its_record_which_prints_alone(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri(), viewport=SIZES["desk"])
    page.evaluate("window.print = () => {}")  # no dialogue
    page.locator("#cell-web_api-landsat a").click()

    expect(page.locator("#record-web_api-landsat")).to_be_in_viewport()
    page.locator("#panel-web_api .print").click()
    page.emulate_media(media="print")
    shown = page.evaluate(
        """[...document.querySelectorAll('main > section, .panel')].filter(
            part => part.checkVisibility()).map(part => part.id)"""
    )

    assert shown == ["candidates", "panel-web_api"]
    assert page.pdf(format="A4").count(b"/Type /Page\n") == 1
    page.emulate_media(media="screen")
    expect(page.locator("#decisions")).to_be_visible()


@pytest.mark.browser
def test_button_copies_the_settings_as_yaml(
    open_report: Callable[..., Any], make_results: Callable[..., Results]
) -> None:
    settings = pl.lit('{"searched": {"alpha": 0.25}, "fixed": {"penalty": "l2"}}')
    results = make_results(profiles=make_profiles().with_columns(settings=settings))
    page = open_report(results, permissions=["clipboard-read", "clipboard-write"])
    page.locator("#cell-web_api-landsat .copy").click()

    expect(page.locator("#cell-web_api-landsat .copy")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == "alpha: 0.25\npenalty: l2\n"


@pytest.mark.browser
def test_report_is_accessible_in_name_and_structure(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    levels = page.evaluate(
        """[...document.querySelectorAll('h1,h2,h3,h4')].filter(h => !h.closest('[hidden]'))
            .map(h => Number(h.tagName[1]))"""
    )
    unnamed = page.evaluate(
        """[...document.querySelectorAll('svg, input, select, button')].filter(
            node => !(node.ariaLabel || node.closest('label') || node.textContent.trim())).length"""
    )

    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert unnamed == 0
