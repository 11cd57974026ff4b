"""Options, errors and tables that the verbs share."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rightfit._core.formatting import clean_text

GIVEN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
GIVEN_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)


def _log_to_stderr(_context: click.Context, _option: click.Parameter, as_json: bool) -> bool:
    """Leave standard output to the JSON; Kedro logs there."""
    for handler in logging.getLogger().handlers if as_json else ():
        if isinstance(console := getattr(handler, "console", None), Console):
            console.stderr = True
    return as_json


AS_JSON = click.option(
    "--json", "as_json", is_flag=True, callback=_log_to_stderr, help="Answer as JSON, for programs."
)
APPLICATION = click.option(
    "--application", "-a", required=True, help="Name of an application, e.g. web_api."
)
DATASET = click.option("--dataset", "-d", required=True, help="Name of a dataset.")
WIDE = 1_000  # columns of a table that goes to a file or a pipe


class WholeRange(click.IntRange):
    """A whole number of an option within bounds."""

    name = "whole number"  # in click's message; its own is "integer range"


PORT = WholeRange(0, 65_535)


class FiniteRange(click.FloatRange):
    """A number of an option within bounds; click lets NaN pass all of them."""

    name = "number"

    def _describe_range(self) -> str:  # click writes x<=None where there are no bounds
        return "" if self.min is None and self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or end the command."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


MARGIN = click.option(
    "--margin-pct",
    type=FiniteRange(0, 1_000),
    default=5.0,
    show_default=True,
    help="Change of a metric that counts, in percent; qualities go by their intervals alone.",
)


@contextmanager
def faults_as_message(*kinds: type[Exception]) -> Iterator[None]:
    """End the command with the message of an expected error, instead of a traceback.

    A catalog entry that cannot be opened is one of them.
    """
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as err:
        kedro_io = sys.modules.get("kedro.io")  # some verbs run where there is no Kedro
        of_kedro = () if kedro_io is None else (kedro_io.DatasetError,)
        if not isinstance(err, (OSError, ValueError, *of_kedro, *kinds)):
            raise
        raise click.ClickException(clean_text(str(err))) from err


def echo_lines(lines: Iterable[str]) -> None:
    """Print lines that may hold names and texts from elsewhere."""
    for line in lines:
        click.echo(clean_text(line))


def echo_json(content: object) -> None:
    """Print plain JSON types."""
    click.echo(json.dumps(content, indent=2))


def echo_table(table: Table) -> None:
    """Print a table, in a terminal as wide as that."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table)


def make_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", numbers: bool = False
) -> Table:
    """Make a table of plain texts, flush right where they are numbers."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(Text(head), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(Text(clean_text(cell)) for cell in row))
    return table
