"""The verbs that have candidates measured by another machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text
from rightfit.verbs.project_options import (
    faults_as_message,
    open_place,
    read_project_parameters,
    where,
)


@click.command()
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@where
def pack(folder: Path, dataset: str | None, **place: Any) -> None:
    """Pack the candidates into FOLDER, to be measured on another machine."""
    from rightfit.verbs.costs.handing_over import describe_packed, pack_candidates

    with faults_as_message():
        parameters = read_project_parameters({}, place["env"], place["conf_source"])
        packed = pack_candidates(open_place(**place), parameters, folder, dataset=dataset)
    click.echo("\n".join(clean_text(line) for line in describe_packed(packed, folder)))


@click.command("measure-bundles")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def measure_bundles(source: Path, out: Path) -> None:
    """Measure what rightfit pack has written into SOURCE, and write the figures into OUT."""
    from rightfit.handover.measuring import count_measured, describe_measured, measure_handover

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with faults_as_message():
        measured = measure_handover(source, out)
    click.echo("\n".join(clean_text(line) for line in describe_measured(measured, out)))
    if not count_measured(measured):
        raise click.exceptions.Exit(1)


@click.command("import-profiles")
@click.option("--name", required=True, help="By which applications name the machine, e.g. board.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@where
def import_profiles(folder: Path, name: str, **place: Any) -> None:
    """Take in what another machine has measured: FOLDER holds its measured.json."""
    from rightfit.verbs.costs.handing_over import take_in

    with faults_as_message():
        measured = take_in(open_place(**place), folder, name)
    here = measured.environment
    click.echo(
        f"Took in {len(measured.states)} measurements of {name}: {clean_text(here.cpu)}, "
        f"{here.n_cores} cores.\nApplications choose among them with `environment: {name}` in "
        "parameters_applications.yml; then: kedro run --pipelines perf"
    )
