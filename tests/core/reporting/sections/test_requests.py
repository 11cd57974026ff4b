from __future__ import annotations

import polars as pl
from factories.reports import build_results

from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.requests import build_loads, build_requests, describe_paths


def test_requests_say_what_feeding_takes_of_each_winner(results: Results) -> None:
    section = build_requests(results)

    assert section.sentences == (
        "What was measured: satellite_archive, edge_device, web_api and accuracy_first: whole "
        "requests (raw columns in, encoder included).",
        "Feeding (checking values and laying them out; without a graph, encoding them too) takes "
        "25 % of a winner's median latency, the graph or the model the rest. Reading a row of JSON "
        "and writing its answer come on top in a server.",
    )
    assert {row[-1] for row in section.tables[0].rows} == {"25 %"}
    assert len(section.tables[1].rows) == 6  # three datasets in two runtimes


def test_applications_of_both_paths_are_named() -> None:
    rankings = pl.DataFrame(
        {"application": ["web_api", "batch"], "request_path": ["request", "model"]}
    )

    assert describe_paths(rankings) == (
        "What was measured: web_api: whole requests (raw columns in, encoder included); batch: the "
        "model alone (encoded rows in)."
    )


def test_profiles_without_parts_say_so(results: Results) -> None:
    nothing = pl.lit(None, dtype=pl.Float64).alias("feeding_ms")
    section = build_requests(build_results(profiles=results.profiles.with_columns(nothing)))

    assert section.sentences[1] == "What the parts of a request take was not measured."
    assert len(section.tables) == 1


def test_section_lists_what_one_server_bears(results: Results) -> None:
    section = build_loads(results)

    assert "1 decision of 12 had the winner served over HTTP" in section.sentences[0]
    winners, steps = section.tables
    assert winners.rows[0][3:7] == (
        *("a p99 of 5 ms", "900 requests/s", "600 requests/s", "1,000 requests/s"),
    )
    assert steps.rows[0] == (
        *("60", "0.6 (0.54 to 0.72)", "0.7 (0.63 to 0.84)", "\N{EN DASH}"),
        *("0.06", "0 of 1,000", "yes"),
    )
    assert steps.rows[-1][-2:] == ("30 of 1,000", "no")
