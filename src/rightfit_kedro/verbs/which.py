"""Show which model fits each application, and why, by the last ranking."""

from __future__ import annotations

import click

from rightfit.cli.options import AS_JSON, echo_json, echo_lines, echo_table, faults_as_message
from rightfit.ranking.explanation.answer import answer_to_json
from rightfit.reporting.terminal import tabulate_winners
from rightfit_kedro.stored_answers import load_recommendations, read_answers, read_loads
from rightfit_kedro.stored_results import ProjectLocation, where

SECTION = "Look"


@click.command()
@click.option("--application", "-a", help="Name of an application; a table of all if not given.")
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@AS_JSON
@where
def which(
    location: ProjectLocation, application: str | None, dataset: str | None, *, as_json: bool
) -> None:
    """Show which model fits each application, and why, by the last ranking."""
    if application is None and dataset is not None:
        raise click.UsageError("--dataset needs an --application.")
    with faults_as_message():
        results = location.open_results()
        if application is None and not as_json:
            _, recommendations = load_recommendations(results)
            echo_table(tabulate_winners(recommendations, read_loads(results)))
            click.echo("More of one application: rightfit which --application NAME")
            return
        answers = list(read_answers(results, application, dataset))
    if as_json:
        echo_json([answer_to_json(answer) for answer in answers])
        return
    echo_lines([f"{application}: {answers[0].purpose}"])
    for answer in answers:
        echo_lines(
            fact.text if fact.kind == "decision" else f"  {fact.term.lower():<17} {fact.text}"
            for fact in answer.list_facts()
        )
