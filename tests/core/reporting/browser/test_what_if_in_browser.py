"""The ranking in the browser against the ranking in Python."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.rankings import make_application
from factories.reports import build_results, make_profiles
from playwright.sync_api import expect

from rightfit._core.formatting import NOT_MEASURED
from rightfit.measuring.serving import Serving
from rightfit.ranking.application_ranking import order_candidates, rank_application
from rightfit.ranking.applications.applications import Application, Applications
from rightfit.ranking.assessment.assessment import assess_candidates
from rightfit.ranking.assessment.profile_table import ProfileKey, read_profiles
from rightfit.reporting.page_data import collect_page_data, list_application_parts
from rightfit.reporting.run_results import Results

pytestmark = pytest.mark.long

N_VARIANTS = 60
RANK = """([profiles, application]) => {
    const ranked = Ranking.rank(profiles, application);
    const winner = Ranking.choose(ranked, application);
    return [winner, ...ranked.filter((one) => one !== winner)].filter(Boolean)
        .map(({candidate, serving, feasible, utility}) => [candidate, serving, feasible, utility]);
}"""
CHOOSE = """([profiles, application, decision]) => {
    const ranked = Ranking.rank(profiles, application, decision);
    const winner = Ranking.choose(ranked, application);
    return winner ? [winner.candidate, winner.serving] : null;
}"""


def vary(raw: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Change every weight and limit of an application at random."""
    varied = copy.deepcopy(raw)
    for objective in varied["objectives"].values():
        objective["weight"] = float(rng.choice([0.5, 1, 2.7, 9]))
    for constraint in varied.get("constraints", {}).values():
        for kind in constraint:
            constraint[kind] *= float(rng.choice([0.5, 0.98, 1.5, 10]))
    return varied


def blur(profiles: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Give costs intervals of any width, and the native runtime a rounded quality."""
    rounding = pl.when(pl.col("runtime") == "native").then(1e-9).otherwise(0.0)
    ends = {}
    for metric in ("latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib"):
        width = pl.Series(rng.uniform(0.01, 0.45, profiles.height))
        ends[metric] = profiles[metric] * pl.Series(rng.uniform(0.9, 1.3, profiles.height))
        ends[f"{metric}_low"] = ends[metric] * (1 - width)
        ends[f"{metric}_high"] = ends[metric] * (1 + width)
    return profiles.with_columns(pl.col("quality") + rounding, **ends)


def rank_in_python(
    results: Results, name: str, application: Application
) -> dict[str, list[tuple[str, bool, float]]]:
    table = read_profiles(results.profiles)
    assessment = assess_candidates(table, name, application, results.rules)
    frame = table.frame.with_columns(pl.col("dataset").cast(pl.String))[assessment.chosen]
    ranked: dict[str, list[Any]] = {dataset: [] for dataset in table.datasets}
    for number in order_candidates(assessment).tolist():
        row = frame.row(number, named=True)
        threads = f"{row['n_threads']} thread{'' if row['n_threads'] == 1 else 's'}"
        utility = float(assessment.utility[number])
        ranked[row["dataset"]].append(
            (
                row["candidate"],
                f"{row['runtime']}, {threads}",
                bool(assessment.feasible[number]),
                None if np.isnan(utility) else pytest.approx(utility, abs=1e-12),
            )
        )
    return ranked


@pytest.mark.browser
def test_what_if_ranks_as_python_does(
    open_page: Callable[..., Any],
    report_path: Path,
    results: Results,
    applications: dict[str, Any],
) -> None:
    page = open_page(report_path.as_uri())
    rng = np.random.default_rng(0)
    # by the common tie rule, where only rounding parts the runtimes
    applications = applications | {
        "quality_alone": applications["accuracy_first"],
        "capped": applications["satellite_archive"] | {"serving": {"batch_size": {"max": 256}}},
    }
    results = replace(
        results,
        profiles=blur(results.profiles, rng),
        applications=Applications.model_validate(applications),
    )
    data = collect_page_data(results)
    n_infeasible = 0
    for _ in range(N_VARIANTS):
        name = str(rng.choice(list(applications)))
        application = Application.model_validate(vary(applications[name], rng))
        asked = list_application_parts(name, application, results.rules)
        path = data["applications"][name]["path"]
        for dataset, expected in rank_in_python(results, name, application).items():
            pool = [one for one in data["profiles"][dataset] if one["path"] == path]
            found = [tuple(row) for row in page.evaluate(RANK, [pool, asked])]
            n_infeasible += sum(not row[2] for row in found)

            assert found == expected

    assert n_infeasible > N_VARIANTS  # limits were put to the test as well


@pytest.mark.browser
@pytest.mark.parametrize("keep_winner", [True, False])
def test_what_if_keeps_winners_where_python_does(
    open_page: Callable[..., Any],
    report_path: Path,
    results: Results,
    applications: dict[str, Any],
    keep_winner: bool,
) -> None:
    page = open_page(report_path.as_uri())
    profiles = collect_page_data(results)["profiles"]
    decisions = collect_page_data(results)["decisions"]
    rules = results.rules.model_copy(update={"keep_winner": keep_winner})
    table = read_profiles(results.profiles)
    rng = np.random.default_rng(1)
    n_kept, differences = 0, []
    for _ in range(N_VARIANTS):
        name = str(rng.choice(list(applications)))
        application = Application.model_validate(vary(applications[name], rng))
        earlier = {
            dataset: ProfileKey(winner.model, winner.candidate, winner.serving)
            for dataset, decision in results.recommendations[name].datasets.items()
            if (winner := decision.winner)
        }
        ranked = rank_application(assess_candidates(table, name, application, rules), earlier)
        n_kept += len(ranked.assessment.kept)
        for dataset in table.datasets:
            key = ranked.winner(dataset)
            asked = [
                profiles[dataset],
                list_application_parts(name, application, rules),
                decisions[name][dataset],
            ]
            expected = [key.candidate, key.serving.label] if key else None
            if (chosen := page.evaluate(CHOOSE, asked)) != expected:
                differences.append((name, dataset, chosen, expected))

    assert differences == []
    assert (n_kept > 0) is keep_winner


@pytest.mark.browser
def test_what_if_slider_changes_winner_and_command(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    page.locator("#tab-edge_device").click()
    before = page.locator("#what-if-results p").all_text_contents()
    page.get_by_label("Weight of quality").fill("10")
    for other in ("latency p50", "peak memory", "model size"):
        page.get_by_label(f"Weight of {other}").fill("0")
    page.get_by_label("Limit: peak memory at most").press("End")
    after = page.locator("#what-if-results p").all_text_contents()
    command = page.locator("#what-if-command").text_content()

    assert before[0] == "linear-03 (onnx, 1 thread) stays"
    assert after[0] == "forest-07 (onnx, 1 thread) instead of linear-03 (onnx, 1 thread)"
    weights = [
        f"applications.edge_device.objectives.{name}.weight={weight}"
        for name, weight in (
            *(("quality", 10), ("latency_p50_ms", 0)),
            *(("peak_memory_mib", 0), ("model_size_mib", 0)),
        )
    ]
    limit = "applications.edge_device.constraints.peak_memory_mib.max=225"
    assert command == f'kedro run --pipelines ranking --params "{",".join([*weights, limit])}"'
    assert page.complaints == []


@pytest.mark.browser
def test_what_if_serves_the_winner_otherwise_where_its_configuration_is_no_longer_equal(
    open_page: Callable[..., Any], report_path: Path, results: Results
) -> None:
    """With two threads linear-11 is the fastest; it has won with one, and is far behind so."""
    speed = {"weight": 1, "worst": 1e4, "best": 1e8, "scale": "log"}
    application = make_application(objectives={"throughput_rows_per_s": speed})
    page = open_page(report_path.as_uri())
    asked = [
        collect_page_data(results)["profiles"]["landsat"],
        list_application_parts("any", application, results.rules),
        {"winner": "linear-11", "serving": "onnx, 1 thread"},
    ]
    earlier = {"landsat": ProfileKey("linear", "linear-11", Serving("onnx", 1, "cpu", "request"))}
    assessment = assess_candidates(
        read_profiles(results.profiles), "any", application, results.rules
    )

    winner = rank_application(assessment, earlier).winner("landsat")

    assert winner is not None
    assert (winner.candidate, winner.serving.label) == ("linear-11", "onnx, 2 threads")
    assert page.evaluate(CHOOSE, asked) == [winner.candidate, winner.serving.label]


@pytest.mark.browser
def test_what_if_keeps_the_winner_within_the_band(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    page.locator("#tab-edge_device").click()
    page.get_by_label("Weight of quality").fill("10")
    page.get_by_label("Limit: peak memory at most").press("End")

    verdict = page.locator("#what-if-results p").first.text_content()
    assert verdict.startswith("linear-03 (onnx, 1 thread) stays; net-09 has 0.002 more utility")


@pytest.mark.browser
def test_what_if_writes_a_deadline_as_its_rows(
    open_report: Callable[..., Any], applications: dict[str, Any]
) -> None:
    archive = copy.deepcopy(applications["satellite_archive"])
    del archive["constraints"]["throughput_rows_per_s"]
    archive["workload"] = {"n_rows": 7.2e9, "hours": 2}
    page = open_report(build_results({"archive": archive}))
    page.get_by_label("Limit: throughput at least").press("Home")  # the slowest, 5,300 rows/s

    assert page.locator("#what-if-command").text_content() == (
        'kedro run --pipelines ranking --params "applications.archive.workload.n_rows=38160000"'
    )


@pytest.mark.browser
def test_what_is_missing_is_called_so(
    open_report: Callable[..., Any], applications: dict[str, Any]
) -> None:
    """A winner without a place on the log axis, others without a measurement, large losses."""
    api = copy.deepcopy(applications["web_api"])
    api["objectives"]["model_memory_mib"] = {"weight": 1, "worst": 10, "best": 0}
    api["constraints"] = {"latency_p99_ms": {"max": 0.08}}
    is_winner, is_other = pl.col("candidate") == "net-09", pl.col("model") == "linear"
    profiles = make_profiles().with_columns(
        model_memory_mib=pl.when(is_winner).then(0.0).otherwise("model_memory_mib"),
        latency_p99_ms=pl.when(is_other).then(None).otherwise("latency_p99_ms"),
        quality_raw=1e6 * (pl.col("quality_raw") - 1),
        quality_raw_low=pl.lit(None, pl.Float64),
        quality_raw_high=pl.lit(None, pl.Float64),
    )
    results = build_results({"web_api": api}, profiles.filter(pl.col("model") != "forest"))
    page = open_report(results)
    shown = page.locator("#what-if-results section").first.inner_text()
    page.locator("#cost").select_option(label="model memory")
    caption = page.locator("#charts figcaption").first.inner_text()

    assert "net-09 (onnx, 1 thread) stays" in shown
    assert f"linear-03, lacks a measurement\n{NOT_MEASURED}" in shown
    assert "net-05, breaks a limit" not in shown
    assert caption.endswith("net-09 fits best; it is not drawn, since its model memory is 0 MiB.")
    assert "-160 k" in page.locator("#charts .tick").all_text_contents()
    assert page.complaints == []


@pytest.mark.browser
def test_what_if_reset_restores_the_parameters(
    open_page: Callable[..., Any], report_path: Path
) -> None:
    page = open_page(report_path.as_uri())
    page.locator("#tab-web_api").click()
    page.get_by_label("Weight of quality").fill("0")
    page.get_by_role("button", name="Reset", exact=True).click()

    expect(page.locator("#what-if input").first).to_have_value("4")
    expect(page.locator("#tab-web_api")).to_have_attribute("aria-selected", "true")
    assert page.locator("#what-if-command").text_content() == "kedro run --pipelines ranking"
