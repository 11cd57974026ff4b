"""The verbs: ``rightfit which``, ``rightfit export`` and ``rightfit studies``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

VERBS = ("which", "export", "studies")


@click.group(name="rightfit")
def verbs() -> None:
    """Use what a run has found."""


def where(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that locate the stored results."""
    for option in (
        click.option("--data-root", help="Root of all data instead of the configured one."),
        click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration."),
        click.option(
            "--conf-source",
            type=click.Path(exists=True, path_type=Path),
            help="Folder or archive of the configuration; conf in the project if not given.",
        ),
    ):
        command = option(command)
    return command


@verbs.command()
@click.option("--application", "-a", required=True, help="Name of an application, e.g. web_api.")
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@click.option(
    "--json", "as_json", is_flag=True, help="Answer as JSON: a list, one item per dataset."
)
@where
def which(application: str, dataset: str | None, *, as_json: bool, **place: Any) -> None:
    """Say which model fits an application, by the last ranking."""
    from rightfit.serving.answer_text import answer_to_json, describe_answer
    from rightfit.verbs.answers import read_answers

    try:
        answers = list(read_answers(_open(**place), application, dataset))
    except ValueError as err:
        raise click.ClickException(str(err)) from err
    if as_json:
        click.echo(json.dumps([answer_to_json(answer) for answer in answers], indent=2))
        return
    click.echo(f"{application}: {answers[0].purpose}")
    for answer in answers:
        click.echo("\n".join(describe_answer(answer)))


@verbs.command()
@click.option("--application", "-a", required=True, help="Name of an application, e.g. web_api.")
@click.option("--dataset", "-d", required=True, help="Name of a dataset.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@where
def export(application: str, dataset: str, folder: Path, *, force: bool, **place: Any) -> None:
    """Write the winning model into FOLDER, with how to use it and what was measured."""
    from rightfit.serving.answer_text import describe_disturbance
    from rightfit.serving.export import check_folder, export_model
    from rightfit.verbs.answers import read_answers, read_model

    try:
        check_folder(folder, force=force)
        results = _open(**place)
        (answer,) = read_answers(results, application, dataset)
        written = export_model(answer, read_model(results, answer), folder)
    except (OSError, ValueError) as err:
        raise click.ClickException(str(err)) from err
    click.echo(answer.decision.sentence)
    click.echo(f"Measured: {describe_disturbance(answer.profile)}")
    click.echo(f"Wrote {len(written)} files to {folder}; start with {folder / 'README.md'}")


@verbs.command()
@click.argument("cell", required=False)
@where
def studies(cell: str | None, **place: Any) -> None:
    """Print the database URL of a CELL's searches (landsat.forest), for Optuna's tools."""
    from rightfit.verbs.searches import find_studies

    try:
        click.echo(find_studies(_open(**place).load_current("studies"), cell))
    except ValueError as err:
        raise click.ClickException(str(err)) from err


def _open(data_root: str | None, env: str | None, conf_source: Path | None) -> Any:
    from kedro.utils import find_kedro_project

    from rightfit.verbs.stored import open_results

    here = Path.cwd()
    project = find_kedro_project(here) or here
    return open_results(
        project,
        conf_source or project / "conf",
        env=env,
        data_root=str(here / data_root) if data_root and "://" not in data_root else data_root,
    )
