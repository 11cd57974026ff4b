"""The verbs, as ``rightfit which`` or as ``kedro rightfit which``."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rightfit.extras import require
from rightfit.printable import clean_text
from rightfit.verbs.checking_commands import check, measure, size, watch
from rightfit.verbs.handover_commands import import_profiles, measure_bundles, pack
from rightfit.verbs.project_commands import clean, init, plan, try_model_family
from rightfit.verbs.project_options import PORT, faults_as_message, open_place, where
from rightfit.verbs.serving_commands import load, serve

if TYPE_CHECKING:  # a command that reads no ranking needs no pydantic
    from rightfit.ranking.explanation.decisions import Recommendations

# Loggers of Kedro that tell of every start and every reading, on standard output like an answer.
CHATTY = ("kedro.framework.project", "kedro.io.data_catalog")

WITHOUT_PROJECT = ("load", "measure", "measure-bundles", "serve")
"""The verbs that neither read nor write a project, and so need no Kedro."""


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@click.group()
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group(name="rightfit")
def verbs() -> None:
    """Find the model that fits: begin, plan, use what a run has found."""
    verb = click.get_current_context().invoked_subcommand
    if verb not in WITHOUT_PROJECT:
        with faults_as_message():
            require("kedro", purpose=f"rightfit {verb}")
    for name in CHATTY:  # filters outlast Kedro's configuration of logging, levels do not
        logging.getLogger(name).addFilter(_is_warning)


@verbs.command()
@click.option("--application", "-a", help="Name of an application; a table of all if not given.")
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@click.option(
    "--json", "as_json", is_flag=True, help="Answer as JSON: a list, one item per dataset."
)
@where
def which(application: str | None, dataset: str | None, *, as_json: bool, **place: Any) -> None:
    """Say which model fits an application, by the last ranking."""
    if application is None and dataset is not None:
        raise click.UsageError("--dataset needs an --application.")
    with faults_as_message():
        results = open_place(**place)  # before polars is imported: dynaconf looks at every module
        from rightfit.verbs.answers import load_recommendations, read_all_answers, read_answers

        if application is None and not as_json:
            _show_table(load_recommendations(results)[1])
            return
        answers = list(
            read_all_answers(results)
            if application is None
            else read_answers(results, application, dataset)
        )
    from rightfit.serving.answer_text import answer_to_json, describe_answer

    if as_json:
        click.echo(json.dumps([answer_to_json(answer) for answer in answers], indent=2))
        return
    click.echo(clean_text(f"{application}: {answers[0].purpose}"))
    for answer in answers:
        click.echo("\n".join(clean_text(line) for line in describe_answer(answer)))


def _show_table(recommendations: Recommendations) -> None:
    from rich.console import Console

    from rightfit.reporting.terminal import tabulate_winners

    Console().print(tabulate_winners(recommendations))
    click.echo("More of one application: rightfit which --application NAME")


@verbs.command()
@click.option("--open", "is_opened", is_flag=True, help="Open it in a browser, too.")
@where
def report(*, is_opened: bool, **place: Any) -> None:
    """Print the path of the latest report."""
    with faults_as_message():
        results = open_place(**place)
        path = results.locate("report", results.find_version("report"))
    click.echo(str(path))
    if is_opened:
        click.launch(path.resolve().as_uri())


@verbs.command()
@click.option("--application", "-a", required=True, help="Name of an application, e.g. web_api.")
@click.option("--dataset", "-d", required=True, help="Name of a dataset.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.option(
    "--with-server", is_flag=True, help="Add a program that serves it over HTTP, and a Dockerfile."
)
@click.option(
    "--as-chosen", is_flag=True, help="Export the model that was chosen, also if it was refitted."
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@where
def export(
    application: str,
    dataset: str,
    folder: Path,
    *,
    force: bool,
    with_server: bool,
    as_chosen: bool,
    **place: Any,
) -> None:
    """Write the winning model into FOLDER, with how to use it and what was measured."""
    from rightfit.serving.answer_text import describe_disturbance
    from rightfit.serving.export import check_folder, export_model
    from rightfit.verbs.answers import read_answers
    from rightfit.verbs.winners import read_model

    with faults_as_message():
        check_folder(folder, force=force)
        results = open_place(**place)
        (answer,) = read_answers(results, application, dataset)
        if as_chosen:
            answer = answer.as_chosen("that was asked for (--as-chosen)")
        model = read_model(results, answer)
        written = export_model(answer, model, folder, with_server=with_server)
    click.echo(clean_text(answer.decision.sentence))
    if answer.decision.shipped:
        click.echo(f"Exported: {clean_text(answer.decision.shipped.sentence)}")
    click.echo(f"Measured: {clean_text(describe_disturbance(answer.profile))}")
    click.echo(f"Wrote {len(written)} files to {folder}; start with {folder / 'README.md'}")


@verbs.command()
@click.option("--show-password", is_flag=True, help="Print the URL as it is, with its password.")
@click.argument("cell", required=False)
@where
def studies(cell: str | None, *, show_password: bool, **place: Any) -> None:
    """Print the database URL of a CELL's searches (landsat.forest), for Optuna's tools."""
    from rightfit.verbs.searches import find_studies, hide_password

    with faults_as_message():
        url = find_studies(open_place(**place).load_current("studies"), cell)
    click.echo(url if show_password else hide_password(url))


@verbs.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port to listen on.")
@click.argument("cell", required=False)
@where
def dashboard(cell: str | None, *, port: int, **place: Any) -> None:
    """Look into a CELL's searches with optuna-dashboard, in a browser on this machine."""
    from rightfit.verbs.local_server import serve_dashboard
    from rightfit.verbs.searches import find_studies, hide_password

    url = None
    try:
        url = find_studies(open_place(**place).load_current("studies"), cell)
        serve_dashboard(url, port=port)
    except KeyboardInterrupt:
        return
    except (ImportError, OSError, ValueError) as err:
        raise click.ClickException(clean_text(hide_password(url, str(err)))) from err


@verbs.command()
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option("--conf-source", help="Folder or archive of the configuration.")
def run_server(port: int, env: str | None, conf_source: str | None) -> None:
    """Run pipelines on request, for programs on this machine (Kedro's HTTP server)."""
    from kedro.utils import find_kedro_project

    from rightfit.verbs.local_server import serve_runs

    here = Path.cwd()
    serve_runs(find_kedro_project(here) or here, env=env, conf_source=conf_source, port=port)


for _command in (
    serve, load, measure, pack, measure_bundles, import_profiles, check, watch, size,
    try_model_family, plan, clean, init,
):  # fmt: skip
    verbs.add_command(_command)
VERBS = tuple(verbs.commands)
