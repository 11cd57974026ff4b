"""The command ``rightfit``: a verb (``which``, ``export``, …), else kedro run's options.

``python -m rightfit --pipelines perf`` runs the packaged project as ``kedro run`` does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click


def main(*args: Any, **kwargs: Any) -> Any:
    """Run a verb, or a pipeline of the installed package."""
    from rightfit.errors import RightfitError
    from rightfit.extras import require
    from rightfit.verbs.commands import VERBS, verbs

    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    arguments = args[0] if args else kwargs.get("args") or sys.argv[1:]
    if arguments and arguments[0] in VERBS:
        return verbs(*args, **kwargs)
    try:
        require("kedro", purpose="Running a pipeline")
    except RightfitError as err:
        if list(arguments) in ([], ["--help"]):
            return verbs(*args, **kwargs)  # lists the verbs, some of which need no Kedro
        sys.exit(f"Error: {err}")
    return _find_run_command()(*args, **kwargs)


def _make_quiet_option() -> click.Option:
    return click.Option(
        ["--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_be_quiet,
        help="Log warnings and errors only; RIGHTFIT_LOG_LEVEL=WARNING does it for kedro run.",
    )


def _be_quiet(context: click.Context, option: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's
    from rightfit.process_state import LEVEL, set_log_level

    if value:
        os.environ[LEVEL] = "WARNING"
        set_log_level("WARNING")


def _find_run_command() -> Any:
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    from rightfit.verbs.commands import VERBS

    package_name = Path(__file__).parent.name
    configure_project(package_name)
    run: Any = find_run_command(package_name)
    if all(option.name != "quiet" for option in run.params):
        run.params.append(_make_quiet_option())
    run.epilog = f"Verbs instead of these options, each with its own --help: {', '.join(VERBS)}."
    return run


if __name__ == "__main__":
    main()
