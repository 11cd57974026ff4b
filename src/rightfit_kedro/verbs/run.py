"""Run pipelines, with the options of kedro run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from kedro.framework import project
from kedro.framework.cli.utils import find_run_command

from rightfit.cli.options import faults_as_message
from rightfit_kedro.command_line import LEVEL, set_log_level
from rightfit_kedro.stored_results import ProjectLocation, find_project

SECTION = "Run"


def _be_quiet(context: click.Context, option: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's
    if value:
        os.environ[LEVEL] = "WARNING"
        set_log_level("WARNING")


QUIET = click.option(
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_be_quiet,
    help="Log warnings and errors only; RIGHTFIT_LOG_LEVEL=WARNING does it for kedro run.",
)


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def run(options: tuple[str, ...]) -> Any:
    """Run pipelines, with the options of kedro run."""
    if not {"--help", "-h"} & set(options) and not any(
        option.startswith("--conf-source") for option in options
    ):
        with faults_as_message():
            ProjectLocation().require_conf_source()
    find_project(Path.cwd())
    command: Any = find_run_command(str(project.PACKAGE_NAME))
    if all(option.name != "quiet" for option in command.params):
        QUIET(command)
    return command.main(list(options), prog_name="rightfit run", standalone_mode=False)
