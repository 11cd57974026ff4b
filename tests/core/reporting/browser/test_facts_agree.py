"""Each fact has one source: cards, charts, what-if, records, terminal and answers say the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Any

import polars as pl
import pytest
from factories.reports import APPLICATIONS, build_results, make_profiles
from rich.console import Console

from rightfit._core.formatting import format_quality
from rightfit.measuring.serving import Serving
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.explanation.answer import Answer, Origin
from rightfit.ranking.explanation.decisions import Decision
from rightfit.reporting.run_results import Results
from rightfit.reporting.terminal import tabulate_winners

pytestmark = pytest.mark.long

NONE = "none qualifies"


def change(change_profiles: pl.Expr | None = None, **limits: float) -> Results:
    applications = copy.deepcopy(APPLICATIONS)
    if limits:
        applications["edge_device"]["constraints"] = {
            metric: {"max": bound} for metric, bound in limits.items()
        }
    profiles = make_profiles().with_columns(
        final_quality_raw=pl.col("quality_raw") - 0.03,
        final_quality_raw_low=pl.col("quality_raw") - 0.06,
        final_quality_raw_high=pl.col("quality_raw"),
    )
    if change_profiles is not None:
        profiles = profiles.with_columns(change_profiles)
    return build_results(applications, profiles)


def keep_earlier() -> Results:
    """Candidates whose quality is hardly known, and an earlier winner that stands."""
    noisy = pl.col("quality_raw") - 0.3, pl.col("quality_raw") + 0.3
    profiles = make_profiles().with_columns(quality_raw_low=noisy[0], quality_raw_high=noisy[1])
    profiles = profiles.with_columns(quality_low=pl.lit(0.0), quality_high=pl.lit(1.0))
    key = ProfileKey("forest", "forest-07", Serving("onnx", 1, "cpu", "request"))
    earlier = {name: dict.fromkeys(("landsat", "flights"), key) for name in APPLICATIONS}
    return build_results(APPLICATIONS, profiles, earlier=earlier)


def measure_losses() -> Results:
    """Qualities as negative losses, as of a regression."""
    raw = {
        f"quality_raw{end}": 1e4 * (pl.col(f"quality_raw{end}") - 1)
        for end in ("", "_low", "_high")
    }
    applications = copy.deepcopy(APPLICATIONS)
    del applications["web_api"]["constraints"]["quality_raw"]  # of an accuracy
    profiles = make_profiles().with_columns(**raw, quality_metric=pl.lit("negative RMSE"))
    return build_results(applications, profiles)


CASES: Mapping[str, Callable[[], Results]] = {
    "held out": change,
    "kept": keep_earlier,
    "disturbed": lambda: change(pl.lit(value=True).alias("disturbed")),
    "none qualifies": lambda: change(peak_memory_mib=1.0),
    "losses": measure_losses,
}


def list_decisions(results: Results) -> Iterator[tuple[str, str, Decision]]:
    for name, recommendation in results.recommendations.items():
        for dataset, decision in recommendation.datasets.items():
            yield name, dataset, decision


@pytest.mark.browser
@pytest.mark.parametrize("case", CASES)
def test_every_part_names_the_same_winner_with_the_same_quality(
    case: str, open_report: Callable[..., Any]
) -> None:
    results = CASES[case]()
    page = open_report(results, viewport={"width": 1280, "height": 900})
    terminal = read_terminal(results)
    for name, dataset, decision in list_decisions(results):
        page.locator(f"#tab-{name}").click()
        position = list(results.recommendations[name].datasets).index(dataset)
        verdict = page.locator("#what-if-results p").nth(position).inner_text()
        card = page.locator(f"#cell-{name}-{dataset}").inner_text()
        chart = page.locator("#charts svg").nth(position)
        record = page.locator(f"#record-{name}-{dataset} tbody tr").first
        answer = "\n".join(fact.text for fact in answer_of(name, dataset, decision).list_facts())

        if decision.winner is None:
            assert NONE in card
            assert verdict == f"still {NONE}"
            assert chart.locator(".label.winner").count() == 0
            assert terminal[name, dataset] == NONE
            continue
        candidate = decision.winner.candidate
        assert candidate in card
        assert verdict.startswith(f"{decision.winner.label} stays")
        assert candidate in chart.locator(".label.winner").text_content()
        assert candidate in record.locator(".who").inner_text()
        assert answer.startswith(decision.winner.label)
        assert terminal[name, dataset].startswith(candidate)
        assert all(one.winner != candidate for one in decision.reversals)
        quality = format_quality(decision.winner.quality.value)
        for part in (card, record.inner_text(), answer, terminal[name, dataset]):
            assert quality in part
        assert decision.winner.quality.name in answer
        assert decision.status in card
        assert f" {decision.mark}" in terminal[name, dataset]
        assert ("≈" in terminal[name, dataset]) is bool(decision.equal_to)
        assert f"({decision.mark})" in answer
        assert ("RF002" in card) is bool(results.find_profile(name, dataset).disturbed)
        for finding in decision.reported_findings:
            assert finding.sentence in answer
            assert not finding.is_urgent or finding.sentence in card
        for limit in decision.limits:
            assert limit.short in card
            assert str(limit) in answer
    assert page.complaints == []


def test_cases_are_awkward() -> None:
    def decisions(case: str) -> list[Decision]:
        return [decision for _, _, decision in list_decisions(CASES[case]())]

    assert any(decision.equal_to for decision in decisions("held out"))
    assert all(decision.held_out_quality for decision in decisions("held out"))
    assert any(decision.finding("RF007") for decision in decisions("kept"))
    assert sum(decision.winner is None for decision in decisions("none qualifies")) == 3
    assert all(decision.winner.quality.value < 0 for decision in decisions("losses"))
    assert {decision.mark for case in CASES for decision in decisions(case)} == {
        *("clear", "likely", "open", None)
    }


def answer_of(application: str, dataset: str, decision: Decision) -> Answer:
    origin = Origin("v", "v", None, None)
    return Answer(application, dataset, "-", decision, (), origin)


def read_terminal(results: Results) -> dict[tuple[str, str], str]:
    """Return each line of the table, by application and dataset."""
    console = Console(file=StringIO(), width=160, color_system=None)
    console.print(tabulate_winners(results.recommendations))
    found, application = {}, ""
    for line in console.file.getvalue().splitlines():
        name = line.strip()
        if name in results.recommendations:
            application = name
        dataset, _, rest = name.partition(" ")
        if application and dataset in results.datasets:
            found.setdefault((application, dataset), rest.strip())
    return found
