"""The verbs that begin a project, plan its runs, try a family of it, and clear up after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text
from rightfit.verbs.project_options import (
    FiniteRange,
    faults_as_message,
    open_place,
    read_project_parameters,
    where,
)


@click.command("check-family")
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
    with faults_as_message(ImportError):
        models = read_project_parameters({}, env, conf_source)["models"]
        trial = find_trial(name, models)
        for task in trial.tasks:
            click.echo(f"{task}:")
            for finding in trial.run(task):
                findings.append(finding)
                click.echo(clean_text(describe_finding(finding)))
    click.echo(clean_text(describe_verdict(name, findings)))
    if any(finding.outcome == "fails" for finding in findings):
        raise click.exceptions.Exit(1)


@click.command()
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

    with faults_as_message():
        results = open_place(**place)
        parameters = read_project_parameters(params, place["env"], place["conf_source"])
        click.echo("\n".join(plan_evaluation(parameters, results)))


@click.command()
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
    from rightfit.formatting import count
    from rightfit.verbs.retiring import BYTES_PER_MIB, delete_versions, find_old_versions

    with faults_as_message():
        found = find_old_versions(open_place(**place), keep=keep)
        if dry_run:
            click.echo("\n".join(clean_text(str(old.folder)) for old in found))
        else:
            delete_versions(found)
    size_mib = sum(old.n_bytes for old in found) / BYTES_PER_MIB
    done = "Would delete" if dry_run else "Deleted"
    click.echo(f"{done} {count(len(found), 'version')}, {size_mib:.1f} MiB.")


@click.command()
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
    from rightfit.verbs.beginning import name_dataset, plan_files, sketch_block
    from rightfit.verbs.first_dataset import describe_entry

    dataset = name_dataset(entry or "my_table")
    block = sketch_block(dataset, column or "label")
    with faults_as_message():
        if entry is not None:
            results = open_place(**place, raw_table=entry)
            block = describe_entry(results, entry, column, at_least=at_least, dataset=dataset)
        own, folder = _read_base(place["conf_source"])
        planned = plan_files(folder, own, dataset=dataset, block=block)
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

    from rightfit.guards.given import explaining

    given: dict[str, Any] = explaining(utils._split_params)(context, option, text)
    return given


def _read_base(conf_source: Path | None) -> tuple[dict[str, Any], Path]:
    """Return the project's own parameters, and the folder of its base environment."""
    from kedro.framework.project import settings

    from rightfit.conf_files import load_configuration, make_loader
    from rightfit.verbs.place import find_project

    source = conf_source or find_project(Path.cwd()) / settings.CONF_SOURCE
    base = settings.CONFIG_LOADER_ARGS.get("base_env", "base")
    return load_configuration(make_loader(source, env=base), "parameters"), source / base
