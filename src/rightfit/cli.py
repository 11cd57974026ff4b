"""Commands of this repository's own project; Kedro finds them by the module's name."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.framework.cli.project import package as kedro_package
from kedro.framework.cli.project import run
from kedro.framework.startup import ProjectMetadata

__all__ = ["cli", "run"]  # Kedro asks a project with commands of its own for both


@click.group(name="rightfit")
def cli() -> None:
    """Commands of this project."""


@cli.command()
@click.pass_context
def package(context: click.Context) -> None:
    """Package wheel and configuration as Kedro does, with the wheel's bill of materials."""
    from rightfit.deployment.supply import write_bill

    context.invoke(kedro_package)
    project: ProjectMetadata = context.obj
    wheels = sorted(
        (Path(project.project_path) / "dist").glob("*.whl"), key=lambda path: path.stat().st_mtime
    )
    if wheels:
        click.echo(f"Bill of materials: {write_bill(wheels[-1])}")
