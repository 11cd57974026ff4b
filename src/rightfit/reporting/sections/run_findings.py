"""All findings of a run: those of its decisions, datasets, searches and measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import polars as pl

from rightfit._core.formatting import count
from rightfit._core.spelling import name_some
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.naming import sentence_case
from rightfit.models.quality.bounds import FLATTERS
from rightfit.ranking.explanation.answer import NO_PROFILE
from rightfit.ranking.explanation.decisions import Decision, list_decisions
from rightfit.ranking.explanation.findings import (
    RULES,
    Finding,
    Severity,
    find,
    group_findings,
    join_subjects,
    name_subject,
)
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, Table, sentence, tabulate, text

RUN = "run"  # the subject of what concerns all of it
COVERED = 0.75  # of a tier's memory that a machine must have: the system keeps some of its own


def list_findings(results: Results, tiers: Sequence[Tier]) -> list[Finding]:
    """List the findings of a run, the most severe first, in the order of their codes."""
    findings = [
        *_check_measurements(results),
        *(
            finding
            for application, dataset, decision in list_decisions(results.recommendations)
            for finding in _check_decision(results, tiers, application, dataset, decision)
        ),
        *(
            find("RF018" if FLATTERS in remark else "RF010", dataset, f"{sentence_case(remark)}.")
            for dataset, card in results.data_cards.items()
            for remark in card.remarks
        ),
        *_check_searches(results),
    ]
    order = get_args(Severity)
    return sorted(findings, key=lambda finding: (order.index(finding.severity), finding.code))


def build_findings(findings: Sequence[Finding]) -> Section:
    """List the findings with what to do about them, and the rules that were not checked."""
    reported = [finding for finding in findings if finding.severity != "not applicable"]
    n_urgent = sum(finding.is_urgent for finding in reported)
    return Section(
        id="findings",
        title="Findings",
        sentences=(f"{count(n_urgent, 'warning')}, {count(len(reported) - n_urgent, 'note')}.",),
        tables=(
            tabulate_findings(reported),
            tabulate(
                "Not applicable",
                group_findings(
                    [finding for finding in findings if finding.severity == "not applicable"]
                ),
                text("Code", lambda group: group[0].code),
                text("Rule", lambda group: RULES[group[0].code].title),
                sentence("Subject", join_subjects),
                sentence("Why", lambda group: group[0].sentence),
            ),
        ),
    )


def tabulate_findings(findings: Sequence[Finding]) -> Table:
    """List findings with what to do, a line for all subjects of which the same is said."""
    return tabulate(
        "Findings, the most severe first",
        group_findings(findings),
        text("Code", lambda group: group[0].code),
        text("Severity", lambda group: group[0].severity),
        sentence("Subject", join_subjects),
        sentence("Finding", lambda group: group[0].sentence),
        sentence("What to do", lambda group: RULES[group[0].code].action.replace("`", "")),
    )


def _check_measurements(results: Results) -> Iterator[Finding]:
    disturbed = results.profiles.filter(pl.col("disturbed"))
    if disturbed.height:
        names = disturbed["candidate"].unique(maintain_order=True).to_list()
        yield find(
            "RF002",
            RUN,
            f"{count(disturbed.height, 'profile')} of {results.profiles.height} disturbed while "
            f"timed: {name_some(names, n_shown=6)}.",
        )


def _check_decision(
    results: Results, tiers: Sequence[Tier], application: str, dataset: str, decision: Decision
) -> Iterator[Finding]:
    yield from decision.findings
    if (loaded := results.load_curves.check_decision(application, dataset, decision)) is not None:
        yield loaded
    winner, subject = decision.winner, name_subject(application, dataset)
    if winner is None:
        return
    if results.find_profile(application, dataset) is None:
        yield find("RF017", subject, NO_PROFILE)
    machine = results.environment
    covered = [
        tier
        for tier in tiers
        if tier.n_cores <= machine.n_cores and tier.device == winner.serving.device
        if COVERED * tier.memory_mib <= machine.memory_mib
    ]
    needed = next((tier for tier in tiers if tier.name == winner.hardware_tier), None)
    largest = max(covered, key=lambda tier: tier.price_per_hour, default=None)
    if needed and largest and needed.price_per_hour < largest.price_per_hour:
        yield find(
            "RF011",
            subject,
            f"Tier {needed.name} (US$ {needed.price_per_hour:g} per hour) is enough for the "
            f"winner; it was measured on a machine that holds tier {largest.name} "
            f"(US$ {largest.price_per_hour:g} per hour).",
        )


def _check_searches(results: Results) -> Iterator[Finding]:
    if results.audits.is_empty():
        return
    ended = results.audits.unique(["dataset", "model"], maintain_order=True)
    for row in ended.filter(pl.col("ended_early").is_not_null()).to_dicts():
        yield find(
            "RF014", f"{row['dataset']}, {row['model']}", f"The search {row['ended_early']}."
        )
    for row in results.audits.filter(pl.col("nearest_miss").is_not_null()).to_dicts():
        yield find(
            "RF015",
            f"{row['application']}, {row['dataset']}, {row['model']}",
            f"No trial meets the limits: {row['nearest_miss']}.",
        )
