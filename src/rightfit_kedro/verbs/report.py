"""Print the path of the latest report, or open it."""

from __future__ import annotations

import click

from rightfit.cli.options import faults_as_message
from rightfit_kedro.stored_results import ProjectLocation, where

SECTION = "Look"


@click.command()
@click.option("--open", "is_opened", is_flag=True, help="Open it in a browser, too.")
@where
def report(location: ProjectLocation, *, is_opened: bool) -> None:
    """Print the path of the latest report, or open it."""
    with faults_as_message():
        results = location.open_results()
        path = results.locate_report()
        written, ranked = results.find_version("report"), results.list_versions("rankings")
    if any(version > written for version in ranked):
        click.echo("A newer ranking is stored: kedro run --pipelines reporting shows it.", err=True)
    click.echo(str(path))
    if is_opened:
        click.launch(path.resolve().as_uri())
