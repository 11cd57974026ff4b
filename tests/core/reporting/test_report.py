"""The report as a file, and its sentences."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.reports import APPLICATIONS, LADDER, build_results, make_profiles

from rightfit.reporting import html_report
from rightfit.reporting.html_report import describe_application, render_report, write_headline
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section

MAX_BYTES = 500_000


def test_report_is_one_small_file(report_path: Path) -> None:
    text = report_path.read_text(encoding="utf-8")

    assert report_path.stat().st_size <= MAX_BYTES
    assert "<link" not in text.split("<script", 1)[0]
    assert 'src="' not in text.split("<script", 1)[0]
    assert "default-src 'none'" in text  # it may load nothing


def test_other_package_adds_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    added = Section("water", "How much water?", ("About a glass.",))
    sections = {"water": lambda results: added if results.applications else None}
    monkeypatch.setattr(html_report, "load_plugins", lambda group, purpose: sections)

    text = render_report(build_results(APPLICATIONS, make_profiles()), LADDER)

    assert "How much water?" in text
    assert "About a glass." in text


def test_report_takes_names_for_text_and_keeps_the_direction_of_reading() -> None:
    hostile = "</script><img src=x>\u202e"
    applications = {f"{name}{hostile}": one for name, one in APPLICATIONS.items()}
    profiles = make_profiles().with_columns(pl.col("candidate", "dataset") + hostile)

    text = render_report(build_results(applications, profiles), LADDER)

    assert "&lt;/script&gt;&lt;img src=x&gt;?" in text
    assert "<img" not in text
    assert "\u202e" not in text


def test_report_sentences_change_with_a_limit(
    applications: dict[str, Any], make_results: Callable[..., Results], ladder: Any
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 50
    before, after = (
        render_report(found, ladder) for found in (make_results(), make_results(stricter))
    )

    assert "Limits: peak memory at most 96 MiB." in before
    assert "Limits: peak memory at most 50 MiB." in after
    assert "none qualifies" not in before.split('id="case"', 1)[0]
    assert after.split('id="case"', 1)[0].count(">none qualifies<") == 3
    assert "none in 3 of 12 cases" in after


def test_dataset_that_an_application_was_not_measured_on_stays_empty(
    results: Results, ladder: Any
) -> None:
    web_api = results.recommendations["web_api"]
    fewer = {name: one for name, one in web_api.datasets.items() if name != "fashion_mnist"}
    changed = {"web_api": web_api.model_copy(update={"datasets": fewer})}
    found = dict(results.recommendations) | changed
    text = render_report(replace(results, recommendations=found), ladder)

    assert text.count('id="cell-web_api-') == 2
    assert text.count(">not measured</td>") == 1


def test_report_says_what_an_application_lacks_and_shows_the_others(
    applications: dict[str, Any], make_results: Callable[..., Results], ladder: Any
) -> None:
    profiles = make_profiles().with_columns(latency_p99_ms=pl.lit(None, dtype=pl.Float64))
    found = make_results(applications, profiles)

    head = render_report(found, ladder).split('id="case"', 1)[0]

    assert head.count("each lacks a measurement the application needs") == 3
    assert head.count("not measured: latency p99.") == 3
    assert head.count("No candidate qualifies") == 3


def test_report_shows_searched_settings_and_copies_all_else_the_fixed(
    applications: dict[str, Any], make_results: Callable[..., Results], ladder: Any
) -> None:
    searched = '{"searched": {"alpha": 1e-4}, "fixed": {"n_epochs": 10}}'
    fixed, none = '{"fixed": {"penalty": "l2"}}', "{}"
    for settings, shown in (
        (searched, '<span class="searched">alpha 0.0001</span> <button'),
        (searched, 'data-copy="alpha: 0.0001\nn_epochs: 10\n"'),
        (fixed, "<span>penalty l2</span> <button"),
        (none, ""),
    ):
        profiles = make_profiles().with_columns(settings=pl.lit(settings))
        text = render_report(make_results(applications, profiles), ladder)
        head = text.split('id="case"', 1)[0]

        assert shown in head
        assert ('class="settings"' in head) == bool(shown)
        assert ("in bold were searched" in text) == (settings == searched)


def test_headline_counts_winners_and_what_quality_alone_would_cost(results: Results) -> None:
    headline = write_headline(results)

    best = {"landsat": "forest-07", "fashion_mnist": "net-05", "flights": "net-05"}
    is_best = pl.col("candidate") == pl.col("dataset").replace_strict(best)
    most_accurate = results.rankings.filter(is_best)
    winners = results.rankings.filter(rank=1)
    n_winners = winners.select("dataset", "candidate").unique().height
    n_broken = most_accurate.filter(~pl.col("feasible")).height
    both = most_accurate.join(winners, on=["application", "dataset"]).filter("feasible")
    lost = float((both["utility_right"] - both["utility"]).mean())  # type: ignore[arg-type]
    assert "4 applications on 3 datasets" in headline
    assert f"{n_winners} different winners" in headline
    assert f"break limits in {n_broken} cases" in headline
    assert f"lose {lost:.3f} of utility" in headline
    assert "Taking the model of the best quality everywhere" in headline  # by two metrics


def test_headline_names_the_metric_that_all_datasets_share(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    one = make_results(applications, profiles=make_profiles().filter(dataset="flights"))

    assert "Taking the model of the best ROC AUC everywhere" in write_headline(one)


def test_headline_of_one_winner_everywhere_says_so(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    alike = dict.fromkeys(("first", "second"), applications["edge_device"])
    one = make_results(alike, profiles=make_profiles().filter(dataset="landsat"))

    assert ": the same winner. " in write_headline(one)


def test_headline_counts_decisions_without_a_winner(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    only = {"edge_device": copy.deepcopy(applications["edge_device"])}
    only["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 1
    found = make_results(only)

    assert "none in 3 of 3 cases" in write_headline(found)
    assert "Taking the model" not in write_headline(found)


def test_headline_of_a_single_choice_names_its_winner(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    results = make_results({"web_api": applications["web_api"]})
    recommendation = results.recommendations["web_api"]
    (dataset, decision), *_ = recommendation.datasets.items()
    only = recommendation.model_copy(update={"datasets": {dataset: decision}})
    single = replace(results, recommendations={"web_api": only})

    assert decision.winner is not None
    assert write_headline(single).startswith(f"web_api: {decision.winner.candidate}.")
    assert "everywhere" not in write_headline(single)


def test_request_names_weights_and_limits(results: Results) -> None:
    assert describe_application(dict(results.applications.items())["satellite_archive"]) == (
        "Weights: quality 56 %, throughput 33 % and peak memory 11 %. Limits: throughput at least "
        "200 k rows/s and scaled quality at most 0.1 below the best."
    )


def test_command_that_ranks_anew_is_shown_in_a_project_alone(results: Results) -> None:
    shown = '<p class="quiet">To rank with these values: <code'

    assert shown in render_report(replace(results, run="2026-11-24T17.26.45.228Z"), LADDER)
    assert shown not in render_report(results, LADDER)
