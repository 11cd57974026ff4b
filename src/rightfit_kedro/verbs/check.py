"""Fail if a winner breaks its limits or is worse than before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from rightfit._core.arguments import writing_to
from rightfit._core.processes.regular_files import require_regular
from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.cli.options import AS_JSON, MARGIN, echo_json, echo_lines, faults_as_message
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.records.baseline import (
    EXIT_CODES,
    NONE_STANDS,
    Baseline,
    Standing,
    Verdict,
    compare_baselines,
    conclude,
    find_other_machine,
    keep_utility,
    make_baseline,
    read_baseline,
    write_baseline,
    write_verdict,
)
from rightfit_kedro.stored_answers import load_recommendations, read_answers
from rightfit_kedro.stored_results import ProjectLocation, StoredResults, where

SECTION = "Maintain"


@click.command()
@click.option(
    "--against",
    "baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File of the baseline.",
)
@click.option("--write", is_flag=True, help="Write the last ranking's winners to it instead.")
@MARGIN
@click.option("--any-machine", is_flag=True, help="Compare with a baseline of another machine.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the verdict to, for a pull request.",
)
@AS_JSON
@where
def check(
    location: ProjectLocation,
    baseline: Path,
    *,
    write: bool,
    margin_pct: float,
    any_machine: bool,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Fail if a winner breaks its limits or is worse than before.

    Compares the last ranking's winners with a stored baseline. Exit status: 0 same, 1 regressed, or
    a fault, 3 cannot tell: a loss beyond the margin that the errors hide.
    """
    with faults_as_message():
        location.require_conf_source()
    if markdown is not None:
        if write:
            raise click.UsageError(
                "--write compares nothing, so there is no verdict: leave out --markdown."
            )
        with faults_as_message(), writing_to("--markdown", markdown):  # before anything slow
            require_regular(markdown)
            markdown.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=markdown.parent):
                pass
    with faults_as_message():
        before = None if write else read_baseline(baseline)
        present, standing = read_present(
            location.open_results(), location.read_parameters(), before
        )
        if before is None:
            write_baseline(present, baseline)
            echo_lines([f"Wrote the winners of {present.ranked_in} to {baseline}"])
            return
        other = find_other_machine(before, present)
        if other is not None and not any_machine:
            raise ValueError(
                f"Timings of two machines are not compared: {other}. Write a baseline on this one, "
                "or compare anyway: --any-machine"
            )
        findings = list(compare_baselines(before, present, standing, margin_pct=margin_pct))
    failed = [finding for finding in findings if finding.faults]
    if as_json:
        echo_json([asdict(finding) | {"verdict": finding.verdict} for finding in findings])
    else:
        width = max(map(len, get_args(Verdict)))
        for finding in findings:
            candidate = f"{finding.candidate}, " if finding.candidate else ""
            subject = f"{candidate}{finding.application} on {finding.dataset}"
            echo_lines([f"{finding.verdict:{width}}  {subject}"])
            echo_lines(f"{'':{width}}  {text}" for text in finding.remarks)
        echo_lines([f"{len(failed)} of {len(findings)} regressed"])
    if markdown is not None:
        with faults_as_message():
            markdown.write_text(write_verdict(findings), encoding="utf-8")
    if code := EXIT_CODES[conclude(findings)]:
        raise click.exceptions.Exit(code)


def read_present(
    results: StoredResults, parameters: Mapping[str, object], before: Baseline | None
) -> tuple[Baseline, Standing]:
    """Read the winners of the last ranking, to compare with a baseline.

    Applications that the configuration has no longer are left out.

    Args:
        results: The stored results.
        parameters: Those of the project, the library's values included.
        before: The baseline; ``None`` where there is none yet.

    Returns:
        The winners, and the utilities of the baseline's winners that others have replaced though
        nothing is significantly better.

    Raises:
        ValueError: If nothing was ranked that the configuration asks for.
    """
    applications = ApplicationsParams.model_validate(parameters["applications"])
    _, ranked = load_recommendations(results)
    metrics = {name: applications[name].needed_metrics() for name in ranked if name in applications}
    if not metrics:
        raise ValueError(
            f"The last ranking has applications {sorted(ranked)}, the configuration has "
            f"{sorted(applications)}. Run: kedro run --pipelines ranking"
        )
    answers = [answer for answer in read_answers(results) if answer.application in metrics]
    winners = make_baseline(answers, metrics)
    # the baseline's winners that others have replaced
    replaced: dict[str, dict[str, ProfileKey]] = {}
    expected = {} if before is None else before.winners
    for answer in answers:
        old_winner = expected.get(answer.application, {}).get(answer.dataset)
        winner = answer.decision.winner
        if old_winner is None or winner is None:
            continue
        if (old_winner.candidate, old_winner.serving) != (winner.candidate, winner.serving):
            replaced.setdefault(answer.application, {})[answer.dataset] = old_winner.key
    if not replaced:
        return winners, NONE_STANDS
    ranking = Ranking(
        Profiles(results.load("resource_profiles", answers[0].origin.measured_in)),
        Applications({name: applications[name] for name in replaced}),
        RankingRules.model_validate(parameters["ranking"]),
        earlier=replaced,
        judged=results.load_newest("judged_predictions")
        if any(applications[name].has_own_quality for name in replaced)
        else None,
    )
    standing = {
        (name, dataset): keep_utility(ranked_winner)
        for name, keys in replaced.items()
        for dataset, key in keys.items()
        if ranking.winners[name].get(dataset) == key
        and (ranked_winner := ranking.decision(name, dataset).winner)
    }
    return winners, standing
