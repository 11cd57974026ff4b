"""The verbs, as ``rightfit which`` or as ``kedro rightfit which``."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text
from rightfit.verbs.checking_commands import check, measure, size, watch
from rightfit.verbs.handover_commands import import_profiles, measure_bundles, pack
from rightfit.verbs.project_options import (
    PORT,
    FiniteRange,
    open_place,
    read_project_parameters,
    where,
)
from rightfit.verbs.serving_commands import load, serve

VERBS = (
    "which",
    "export",
    "serve",
    "load",
    "measure",
    "pack",
    "measure-bundles",
    "import-profiles",
    "check",
    "watch",
    "size",
    "check-family",
    "plan",
    "clean",
    "studies",
    "dashboard",
    "run-server",
    "init",
)


# Loggers of Kedro that tell of every start and every reading, on standard output like an answer.
CHATTY = ("kedro.framework.project", "kedro.io.data_catalog")


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@click.group()
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group(name="rightfit")
def verbs() -> None:
    """Find the model that fits: begin, plan, use what a run has found."""
    for name in CHATTY:  # filters outlast Kedro's configuration of logging, levels do not
        logging.getLogger(name).addFilter(_is_warning)


for _command in (measure, check, watch, size, serve, load, pack, measure_bundles, import_profiles):
    verbs.add_command(_command)


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
        answers = list(read_answers(open_place(**place), application, dataset))
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
    from rightfit.serving.export import check_folder, describe_export, export_model
    from rightfit.verbs.answers import read_answers
    from rightfit.verbs.winners import read_model

    try:
        check_folder(folder, force=force)
        results = open_place(**place)
        (answer,) = read_answers(results, application, dataset)
        model = read_model(results, answer, as_chosen=as_chosen)
        written = export_model(answer, model, folder, with_server=with_server)
    except (OSError, ValueError) as err:
        raise click.ClickException(clean_text(str(err))) from err
    click.echo(clean_text(answer.decision.sentence))
    if answer.decision.shipped and answer.decision.shipped.refit:
        click.echo(f"Exported: {clean_text(describe_export(answer, model))}")
    click.echo(f"Measured: {clean_text(describe_disturbance(answer.profile))}")
    click.echo(f"Wrote {len(written)} files to {folder}; start with {folder / 'README.md'}")


@verbs.command("check-family")
@click.argument("name")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option(
    "--conf-source",
    type=click.Path(exists=True, path_type=Path),
    help="Folder or archive of the configuration; conf in the project if not given.",
)
def try_model_family(name: str, env: str | None, conf_source: Path | None) -> None:
    """Try a family on a small table: NAME is a model of parameters_models.yml or an import path."""
    from rightfit.verbs.family_check import describe_finding, describe_verdict, find_trial

    findings = []
    try:
        models = read_project_parameters({}, env, conf_source)["models"]
        trial = find_trial(name, models)
        for task in trial.tasks:
            click.echo(f"{task}:")
            for finding in trial.run(task):
                findings.append(finding)
                click.echo(clean_text(describe_finding(finding)))
    except (ImportError, ValueError) as err:
        raise click.ClickException(clean_text(str(err))) from err
    click.echo(clean_text(describe_verdict(name, findings)))
    if any(finding.outcome == "fails" for finding in findings):
        raise click.exceptions.Exit(1)


@verbs.command()
@click.option("--show-password", is_flag=True, help="Print the URL as it is, with its password.")
@click.argument("cell", required=False)
@where
def studies(cell: str | None, *, show_password: bool, **place: Any) -> None:
    """Print the database URL of a CELL's searches (landsat.forest), for Optuna's tools."""
    from rightfit.verbs.searches import find_studies, hide_password

    try:
        url = find_studies(open_place(**place).load_current("studies"), cell)
    except ValueError as err:
        raise click.ClickException(clean_text(str(err))) from err
    click.echo(url if show_password else hide_password(url))


@verbs.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port to listen on.")
@click.argument("cell", required=False)
@where
def dashboard(cell: str | None, *, port: int, **place: Any) -> None:
    """Look into a CELL's searches with optuna-dashboard, in a browser on this machine."""
    from rightfit.verbs.local_server import HOST, serve_dashboard
    from rightfit.verbs.searches import find_studies, hide_password

    url = None
    try:
        url = find_studies(open_place(**place).load_current("studies"), cell)
        click.echo(f"Listening on http://{HOST}:{port}/ - Ctrl-C ends it.", err=True)
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


@verbs.command()
@click.option(
    "--params",
    default="",
    callback=lambda context, option, text: _split_params(context, option, text),
    help="Parameters for this plan, as for kedro run.",
)
@where
def plan(params: dict[str, Any], **place: Any) -> None:
    """Say what an evaluation would measure, and how long that takes at most."""
    from rightfit.verbs.planning import plan_evaluation

    try:
        results = open_place(**place)
        parameters = read_project_parameters(params, place["env"], place["conf_source"])
        click.echo("\n".join(plan_evaluation(parameters, results)))
    except ValueError as err:
        raise click.ClickException(str(err)) from err


@verbs.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Newest versions of each result that stay.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, delete nothing.")
@where
def clean(keep: int, *, dry_run: bool, **place: Any) -> None:
    """Delete old versions of results; searches and measurements stay."""
    from rightfit.naming import count
    from rightfit.verbs.retiring import BYTES_PER_MIB, delete_versions, find_old_versions

    try:
        found = find_old_versions(open_place(**place), keep=keep)
        if dry_run:
            click.echo("\n".join(clean_text(str(old.folder)) for old in found))
        else:
            delete_versions(found)
    except (OSError, ValueError) as err:
        raise click.ClickException(clean_text(str(err))) from err
    size_mib = sum(old.n_bytes for old in found) / BYTES_PER_MIB
    done = "Would delete" if dry_run else "Deleted"
    click.echo(f"{done} {count(len(found), 'version')}, {size_mib:.1f} MiB.")


@verbs.command()
@click.option("--dataset", "-d", "entry", help="Catalog entry of the first dataset's table.")
@click.option("--target", "-t", "column", help="Column to predict.")
@click.option(
    "--at-least", type=FiniteRange(), help="Predict whether the column reaches this number."
)
@click.option("--dry-run", is_flag=True, help="Show the files, write nothing.")
@where
def init(
    entry: str | None, column: str | None, at_least: float | None, *, dry_run: bool, **place: Any
) -> None:
    """Write the configuration that the project lacks; no file is ever written over."""
    from rightfit.verbs.beginning import name_dataset, plan_files
    from rightfit.verbs.first_dataset import describe_entry

    dataset = name_dataset(entry or "my_table")
    block = f"  {dataset}:\n    tables: [{dataset}]\n    target: {{column: {column or 'label'}}}\n"
    try:
        if entry is not None:
            results = open_place(**place, raw_table=entry)
            block = describe_entry(results, entry, column, at_least=at_least, dataset=dataset)
        own, folder = _read_base(place["conf_source"])
        planned = plan_files(folder, own, dataset=dataset, block=block)
    except ValueError as err:
        raise click.ClickException(str(err)) from err
    for file in planned:
        if file.kept_because:
            click.echo(f"kept     {file.path}: {file.kept_because}")
            if entry is not None and file.path.name == "parameters_datasets.yml":
                click.echo(f"To describe {entry}, add to it below datasets:\n{block}".rstrip())
            continue
        if not dry_run:
            try:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                file.path.write_text(file.text, encoding="utf-8")
            except OSError as err:
                raise click.ClickException(f"cannot write {file.path}: {err.strerror}") from err
        click.echo(f"{'would be' if dry_run else 'wrote   '} {file.path}")
        if dry_run:
            click.echo("\n".join(f"  | {line}".rstrip() for line in file.text.splitlines()))
    click.echo("Next: review parameters_datasets.yml, then kedro run --pipelines perf")


def _split_params(context: click.Context, option: click.Parameter, text: str) -> dict[str, Any]:
    from kedro.framework.cli import utils

    given: dict[str, Any] = utils._split_params(context, option, text)
    return given


def _read_base(conf_source: Path | None) -> tuple[dict[str, Any], Path]:
    """Return the project's own parameters, and the folder of its base environment."""
    from kedro.framework.project import settings

    from rightfit.conf_files import load_configuration, make_loader
    from rightfit.verbs.place import find_project

    source = conf_source or find_project(Path.cwd()) / settings.CONF_SOURCE
    base = settings.CONFIG_LOADER_ARGS.get("base_env", "base")
    return load_configuration(make_loader(source, env=base), "parameters"), source / base
