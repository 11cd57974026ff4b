"""Parameters of a command line that nobody can read end it with one line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from rightfit.conf_files import find_long_numbers
from rightfit.guards.clear_errors import one_line
from rightfit.printable import clean_text

ReadOption = Callable[[click.Context, click.Parameter, Any], Any]


def explain_run_params() -> None:
    """Let ``kedro run --params`` explain what is wrong; Kedro's own reader ends in a traceback."""
    from kedro.framework.cli.project import run

    for option in run.params:
        if option.name == "params" and option.callback is not None:
            option.callback = explaining(option.callback)


def explaining(read: ReadOption) -> ReadOption:
    """Wrap the callback that reads ``--params``, once.

    Returns:
        The callback; what YAML, OmegaConf and Python refuse it reports as a wrong option.
    """
    if getattr(read, "explains", False):
        return read

    @functools.wraps(read)
    def read_clearly(context: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            given = read(context, option, value)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as err:
            raise _refuse(one_line(err), context, option) from err
        for place in find_long_numbers(given):
            raise _refuse(f"{place} has too many digits", context, option)
        return given

    read_clearly.explains = True  # type: ignore[attr-defined]
    return read_clearly


def _refuse(why: str, context: click.Context, option: click.Parameter) -> click.BadParameter:
    text = f"a value cannot be read ({why}). Write KEY=VALUE,KEY=VALUE with values in YAML."
    return click.BadParameter(clean_text(text), context, option)
