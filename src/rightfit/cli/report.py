"""Print the path of the latest report, or open it."""

from __future__ import annotations

import click

from rightfit.cli.options import faults_as_message
from rightfit.kedro_project.stored import Place, where

SECTION = "Look"


@click.command()
@click.option("--open", "is_opened", is_flag=True, help="Open it in a browser, too.")
@where
def report(place: Place, *, is_opened: bool) -> None:
    """Print the path of the latest report, or open it."""
    with faults_as_message():
        path = place.open_results().locate_report()
    click.echo(str(path))
    if is_opened:
        click.launch(path.resolve().as_uri())
