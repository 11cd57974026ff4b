"""Findings of a run: each rule on results that break it, and their places in the outputs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from factories.reports import LADDER, make_profiles

from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.explanation.findings import RULES, Finding
from rightfit.reporting.html_report import render_report
from rightfit.reporting.markdown_report import render_markdown
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.run_findings import list_findings
from rightfit_search.tables.inference import note_copies


def find(results: Results, code: str, *, skipped: bool = False) -> list[Finding]:
    return [
        finding
        for finding in list_findings(results, LADDER)
        if finding.code == code and (finding.severity == "not applicable") is skipped
    ]


def test_rules_are_numbered_without_a_gap() -> None:
    assert list(RULES) == [f"RF{number:03d}" for number in range(1, len(RULES) + 1)]


def test_limit_within_the_interval_of_its_figure_is_found(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    applications = copy.deepcopy(applications)
    p50 = {"latency_p50_ms": {"max": 0.0056}}  # linear-11: 0.0055, up to 0.005665
    applications["edge_device"]["constraints"] = p50

    subject = "edge_device, landsat"
    findings = {one.subject: one.sentence for one in find(make_results(applications), "RF004")}
    assert "0.0055 ms" in findings[subject]
    assert subject not in {one.subject for one in find(make_results(), "RF004")}


def test_limit_relative_to_the_best_is_not_held_against_its_interval(results: Results) -> None:
    assert "satellite_archive, landsat" in {
        finding.subject for finding in find(results, "RF004", skipped=True)
    }


def test_settings_at_the_edge_are_found_and_unsearched_ones_not_applicable(
    make_results: Callable[..., Results],
) -> None:
    searched = '{"searched": {"alpha": 1e-4, "depth": 9}, "at_edge": ["depth"]}'
    at_edge = make_results(profiles=make_profiles().with_columns(settings=pl.lit(searched)))

    assert {one.sentence for one in find(at_edge, "RF008")} == {
        "Settings at an end of their range: depth 9."
    }
    assert len(find(make_results(), "RF008", skipped=True)) == 12


def test_few_rows_are_found_by_a_wide_interval(make_results: Callable[..., Results]) -> None:
    wide = make_profiles().with_columns(
        quality_low=pl.col("quality") - 0.021, quality_high=pl.col("quality") + 0.021
    )
    narrow = make_profiles().with_columns(
        quality_low=pl.col("quality") - 0.019, quality_high=pl.col("quality") + 0.019
    )

    assert len(find(make_results(profiles=wide), "RF009")) == 12
    assert find(make_results(profiles=narrow), "RF009") == []


@pytest.mark.parametrize(
    ("quality", "low", "n_found"), [(0.019, 0.01, 12), (0.3, 0.0, 12), (0.3, 0.1, 0)]
)
def test_winner_that_hardly_beats_guessing_is_found(
    quality: float, low: float, n_found: int, make_results: Callable[..., Results]
) -> None:
    scaled = {"quality": quality, "quality_low": low, "quality_high": quality + 0.2}
    profiles = make_profiles().with_columns(
        **{name: pl.lit(value) for name, value in scaled.items()}
    )

    assert len(find(make_results(profiles=profiles), "RF013")) == n_found


def test_disturbed_winner_is_found_beside_the_run(make_results: Callable[..., Results]) -> None:
    disturbed = make_profiles().with_columns(disturbed=pl.lit(value=True))
    subjects = [finding.subject for finding in find(make_results(profiles=disturbed), "RF002")]

    assert subjects[0] == "run"
    assert "web_api, landsat" in subjects


def test_smaller_tier_than_the_machine_is_found(results: Results) -> None:
    large = replace(results.environment, n_cores=1, memory_mib=128)

    assert len(find(results, "RF011")) == 12  # of two cores: medium would fit into it
    assert find(replace(results, environment=large), "RF011") == []


def test_remarks_on_data_and_searches_are_findings(results: Results) -> None:
    copies = note_copies(pl.DataFrame({"a": [1, 1, 2]}))
    remarks = {"remarks": ("not used: 'id'", *copies)}
    card = results.data_cards["landsat"].model_copy(update=remarks)
    audits = results.audits.with_columns(ended_early=pl.lit("ended after 3 of 40 configurations"))
    changed = replace(results, data_cards={"landsat": card}, audits=audits)

    assert [one.sentence for one in find(changed, "RF010")] == ["Not used: 'id'."]
    assert [one.sentence[:15] for one in find(changed, "RF018")] == ["1 of 3 rows rep"]
    assert len(find(changed, "RF014")) == 9  # datasets by families
    assert find(changed, "RF015")[0].subject == "edge_device, landsat, linear"


def test_severe_findings_come_first_and_skipped_ones_last(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    only = {"edge_device": copy.deepcopy(applications["edge_device"])}
    only["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 1
    findings = list_findings(make_results(only), LADDER)

    assert [finding.code for finding in findings[:3]] == ["RF001"] * 3
    assert findings[-1].severity == "not applicable"
    assert findings[-1].sentence


@pytest.mark.parametrize("code", ["RF002", "RF005", "RF006", "RF011"])
def test_same_findings_stand_in_page_markdown_and_json(results: Results, code: str) -> None:
    page, markdown = render_report(results, LADDER), render_markdown(results, LADDER)
    document = json.dumps(write_recommendations(results.recommendations))
    findings = find(results, code)

    assert findings
    for finding in findings:
        assert finding.sentence.replace("'", "&#39;") in page
        assert finding.sentence in markdown.replace("\\", "")
        if code in ("RF005", "RF006"):
            assert json.dumps(finding.sentence) in document
