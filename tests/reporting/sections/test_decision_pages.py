"""Decision records: each names its question, its winner, and what is not known."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rightfit.http_load.load_records import LoadCurves
from rightfit.reporting.results import Results
from rightfit.reporting.sections.decision_pages import DatasetDecision, build_pages
from rightfit.reporting.sections.loads import build_loads


def find(results: Results, application: str, dataset: str) -> DatasetDecision:
    (page,) = (page for page in build_pages(results) if page.id == f"decision-{application}")
    return next(one for one in page.decisions if one.dataset == dataset)


def test_every_application_has_a_page_with_its_question(results: Results) -> None:
    pages = build_pages(results)

    assert [page.title for page in pages] == [
        *("Satellite archive", "Edge device", "Web api", "Accuracy first"),
    ]
    assert "peak memory at most 96 MiB" in pages[1].question[0].text
    assert [one.dataset for one in pages[1].decisions] == ["Landsat", "Fashion mnist", "Flights"]


def test_limit_that_decides_is_told_with_its_price(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["satellite_archive"]["constraints"]["throughput_rows_per_s"]["min"] = 1e7
    decided = find(make_results(stricter), "satellite_archive", "Landsat")
    free = find(make_results(), "satellite_archive", "Landsat")

    assert free.limits == "No limit decides: the same candidate wins without them."
    assert free.prices is None
    assert decided.limits == (
        "Without the limit of throughput at least 10 M rows/s, net-09 (onnx, 2 threads) would win, "
        "with 0.022 more accuracy."
    )
    assert decided.prices is not None
    assert decided.prices.rows[0] == (
        *("throughput at least 10 M rows/s", "27 M rows/s", "net-09 (onnx, 2 threads)"),
        *("5.92 M rows/s", "0.022", "27 M instead of 5.92 M rows/s"),
    )


def test_load_is_drawn_or_its_absence_explained(results: Results) -> None:
    loaded, other = find(results, "web_api", "Landsat"), find(results, "web_api", "Flights")
    stale = find(replace(results, load_curves=LoadCurves(())), "web_api", "Landsat")

    assert loaded.load is not None
    assert loaded.load_sentence == (
        "One server bears 900 requests/s within a p99 of 5 ms; the knee is at 600 requests/s; its "
        "capacity is 1,000 requests/s."
    )
    assert (other.load, other.load_sentence) == (
        None,
        "Not measured: the time was spent on others.",
    )
    assert "--pipelines http_load,reporting" in stale.load_sentence


def test_what_is_not_known_is_said(results: Results) -> None:
    unmeasured = find(results, "edge_device", "Landsat").unmeasured

    assert "GPU utilisation: no NVIDIA driver on this machine." in unmeasured


def test_where_none_qualifies_the_page_names_the_limit_to_relax(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 50
    found = find(make_results(stricter), "edge_device", "Landsat")

    assert (found.model, found.verdict) == (None, "none qualifies")
    assert "Would qualify" in [fact.term for fact in found.facts]
    assert "Without the limit of peak memory at most 50 MiB" in found.limits


def test_section_lists_what_one_server_bears(results: Results) -> None:
    section = build_loads(results)

    assert "1 decision of 12 had the winner served over HTTP" in section.sentences[0]
    (table,) = section.tables
    assert table.rows[0][3:7] == (
        *("a p99 of 5 ms", "900 requests/s", "600 requests/s", "1,000 requests/s"),
    )
