"""The first screen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from factories.reports import make_load_curve

from rightfit.http_load.load_records import LoadCurves
from rightfit.reporting.matrix import build_cells, describe_application, write_headline
from rightfit.reporting.run_results import Results


def test_headline_counts_choices_and_what_quality_alone_wins(results: Results) -> None:
    assert write_headline(results) == (
        "The model of highest quality fits best in 3 of 12 cases (4 applications on 3 datasets); "
        "10 of 18 models win at least once."
    )


def test_headline_counts_decisions_without_a_winner(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    only = {"edge_device": copy.deepcopy(applications["edge_device"])}
    only["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 1
    found = make_results(only)
    cells = build_cells(found, "edge_device")

    assert write_headline(found) == (
        "The model of highest quality fits best in 0 of 3 cases (1 application on 3 datasets); "
        "0 of 18 models win at least once; in 3 none fits."
    )
    assert [cell.badge for cell in cells] == ["none qualifies"] * 3
    assert cells[0].warnings == ()
    assert cells[0].figures[0].limits == ((False, "\N{LESS-THAN OR EQUAL TO} 1, 57 MiB beyond"),)


def test_cell_shows_figures_and_the_room_below_each_limit(results: Results) -> None:
    cell = build_cells(results, "satellite_archive")[0]

    assert cell.candidate is not None
    assert (cell.candidate.candidate, cell.badge) == ("net-09", "tied with 1")
    assert [(one.value, one.name, one.limits) for one in cell.figures] == [
        ("0.861", "accuracy", ((True, "0.861 when chosen ≥ 0.837, 0.024 to spare"),)),
        (
            "5.92\N{NO-BREAK SPACE}M\N{NO-BREAK SPACE}rows/s",
            "throughput",
            ((True, "\N{GREATER-THAN OR EQUAL TO} 200 k, 29.6 \N{MULTIPLICATION SIGN} that"),),
        ),
        ("59\N{NO-BREAK SPACE}MiB", "peak memory", ()),
    ]


def test_cell_warns_where_load_breaks_a_limit_that_one_request_keeps(results: Results) -> None:
    broken = replace(make_load_curve(), highest_rate_per_s=None, limit_ms=0.08)
    (load,) = [one for one in results.load_curves.loads if one.curve is not None]
    loads = LoadCurves((replace(load, curve=broken),))
    cell = build_cells(replace(results, load_curves=loads), "web_api")[0]

    assert cell.warnings == (
        "Over HTTP, no rate tried (60 requests/s and more) keeps a p99 of 0.08 ms",
    )


def test_request_names_weights_and_limits(results: Results) -> None:
    assert describe_application(dict(results.applications.items())["satellite_archive"]) == (
        "Weights: quality 56 %, throughput 33 % and peak memory 11 %. Limits: throughput at least "
        "200 k rows/s and scaled quality at most 0.1 below the best."
    )
