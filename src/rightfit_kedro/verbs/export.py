"""Write a winning model into a folder, with how to use it and what was measured."""

from __future__ import annotations

from pathlib import Path

import click

from rightfit._core.errors import NothingStoredError
from rightfit._core.formatting import count
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import APPLICATION, DATASET, NEW_FOLDER, echo_lines, faults_as_message
from rightfit.exporting.export_folder import check_folder, export_model, require_winner
from rightfit.exporting.model_call import Model, feed_model
from rightfit.ranking.explanation.answer import Answer
from rightfit_kedro.stored_answers import read_answers
from rightfit_kedro.stored_results import ProjectLocation, StoredResults, where

SECTION = "Use"


@click.command()
@APPLICATION
@DATASET
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.option(
    "--with-server", is_flag=True, help="Add a program that serves it over HTTP, and a Dockerfile."
)
@click.argument("folder", type=NEW_FOLDER)
@where
def export(
    location: ProjectLocation,
    application: str,
    dataset: str,
    folder: Path,
    *,
    force: bool,
    with_server: bool,
) -> None:
    """Write a winning model into a folder, with how to use it and what was measured."""
    with faults_as_message(), showing_progress():
        check_folder(folder, force=force)
        results = location.open_results()
        (answer,) = read_answers(results, application, dataset)
        model = read_winning_model(results, answer)
        files = export_model(answer, model, folder, with_server=with_server)
    echo_lines(
        [
            answer.decision.sentence,
            *(str(finding) for finding in answer.findings if finding.is_urgent),
            f"Wrote {count(len(files), 'file')} to {folder}; start with {folder / 'README.md'}",
        ]
    )


def read_winning_model(results: StoredResults, answer: Answer) -> Model:
    """Read a winner's bundle and what is needed to feed it, as when it was measured.

    Raises:
        ValueError: If one of them is no longer stored, or damaged.
    """
    winner = require_winner(answer)
    cell = f"{answer.dataset}.{winner.model}.candidates"
    version = results.find_version(cell, at_most=answer.origin.measured_in)
    bundles = results.load(cell, version)
    if winner.candidate not in bundles:
        raise NothingStoredError(
            f"{winner.candidate} is not among the candidates of {version}: {sorted(bundles)}. "
            "Run: kedro run --pipelines perf"
        )
    encoder, data_card = (
        results.load_newest(f"{answer.dataset}.{name}", at_most=version)
        for name in ("encoder", "data_card")
    )
    data_card = data_card.with_threshold(answer.decision.threshold)
    with results.reading(cell, version):
        bundle = bundles[winner.candidate]
    measurements = results.load_current("measurements").folder
    return feed_model(bundle, encoder, data_card, measurements=measurements)
