"""Measure packed candidates on this machine."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import GIVEN_FOLDER, NEW_FOLDER, echo_lines, faults_as_message
from rightfit_deploy.remote.measure_pack import describe_measured, measure_pack

SECTION = "Measure elsewhere"


@click.command()
@click.argument("source", type=GIVEN_FOLDER)
@click.argument("out", type=NEW_FOLDER)
def measure(source: Path, out: Path) -> None:
    """Measure packed candidates on this machine.

    SOURCE is the folder that rightfit remote pack has written; the figures go to OUT.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with faults_as_message(), showing_progress():
        measured = measure_pack(source, out)
    echo_lines(describe_measured(measured, out))
    if not measured.n_measured:
        raise click.exceptions.Exit(1)
