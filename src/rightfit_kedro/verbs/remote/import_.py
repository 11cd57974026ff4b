"""Import the measurements of another machine."""

from __future__ import annotations

from pathlib import Path

import click

from rightfit._core.plugins import load_plugin
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import GIVEN_FOLDER, echo_lines, faults_as_message
from rightfit_kedro.stored_results import ProjectLocation, where

SECTION = "Measure elsewhere"


@click.command("import")
@click.option("--name", required=True, help="By which applications name the machine, e.g. board.")
@click.argument("folder", type=GIVEN_FOLDER)
@where
def import_(location: ProjectLocation, folder: Path, name: str) -> None:
    """Import the measurements of another machine.

    FOLDER holds the measured.json of rightfit remote measure.
    """
    with faults_as_message(), showing_progress():
        store = location.open_results().load_current("measurements")
        keep = load_plugin("rightfit.operations", "import_measured", purpose="rightfit remote")
        measured = keep(folder, name, store)
    echo_lines(
        [
            f"Imported {len(measured.states)} measurements of {name}: "
            f"{measured.environment.machine}.",
            f"Applications choose among them with `environment: {name}` in "
            "parameters_applications.yml; then: kedro run --pipelines perf",
        ]
    )
