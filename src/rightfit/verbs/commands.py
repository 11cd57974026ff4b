"""The verbs of the command ``rightfit``: use, export and look into what a run has found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text

VERBS = ("which", "export", "studies", "dashboard", "run-server")


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
        raise click.ClickException(clean_text(str(err))) from err
    if as_json:
        click.echo(json.dumps([answer_to_json(answer) for answer in answers], indent=2))
        return
    click.echo(clean_text(f"{application}: {answers[0].purpose}"))
    for answer in answers:
        click.echo("\n".join(clean_text(line) for line in describe_answer(answer)))


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
        raise click.ClickException(clean_text(str(err))) from err
    click.echo(clean_text(answer.decision.sentence))
    click.echo(f"Measured: {clean_text(describe_disturbance(answer.profile))}")
    click.echo(f"Wrote {len(written)} files to {folder}; start with {folder / 'README.md'}")


@verbs.command()
@click.option("--show-password", is_flag=True, help="Print the URL as it is, with its password.")
@click.argument("cell", required=False)
@where
def studies(cell: str | None, *, show_password: bool, **place: Any) -> None:
    """Print the database URL of a CELL's searches (landsat.forest), for Optuna's tools."""
    from rightfit.verbs.searches import find_studies, hide_password

    try:
        url = find_studies(_open(**place).load_current("studies"), cell)
    except ValueError as err:
        raise click.ClickException(clean_text(str(err))) from err
    click.echo(url if show_password else hide_password(url))


@verbs.command()
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.argument("cell", required=False)
@where
def dashboard(cell: str | None, *, port: int, **place: Any) -> None:
    """Look into a CELL's searches with optuna-dashboard, in a browser on this machine."""
    from rightfit.verbs.local_server import HOST, serve_dashboard
    from rightfit.verbs.searches import find_studies, hide_password

    url = None
    try:
        url = find_studies(_open(**place).load_current("studies"), cell)
        click.echo(f"Listening on http://{HOST}:{port}/ - Ctrl-C ends it.", err=True)
        serve_dashboard(url, port=port)
    except KeyboardInterrupt:
        return
    except (ImportError, OSError, ValueError) as err:
        raise click.ClickException(clean_text(hide_password(url, str(err)))) from err


@verbs.command()
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option("--conf-source", help="Folder or archive of the configuration.")
def run_server(port: int, env: str | None, conf_source: str | None) -> None:
    """Run pipelines on request, for programs on this machine (Kedro's HTTP server)."""
    from kedro.utils import find_kedro_project

    from rightfit.verbs.local_server import serve_runs

    here = Path.cwd()
    serve_runs(find_kedro_project(here) or here, env=env, conf_source=conf_source, port=port)


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
