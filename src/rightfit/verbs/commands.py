"""The verbs, as ``rightfit which`` or as ``kedro rightfit which``.

A verb is a module of this package with a ``SECTION``. Its name, the first line of its docstring and
its section are read from the file: importing all verbs takes seconds, and ``--help`` should not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable

import click

from rightfit.extras import require
from rightfit.spelling import find_nearest
from rightfit.verbs.options import faults_as_message

SECTIONS = ("Run", "Look", "Use", "Measure elsewhere", "Maintain")

OF_PROJECTS = ("kedro", "rightfit.verbs.stored")
"""Modules that verbs of projects import."""

# Loggers of Kedro that tell of every start and every reading, on standard output like an answer.
CHATTY = ("kedro.framework.project", "kedro.io.data_catalog")

_HEAD = re.compile(
    r'\A"""(?P<sentence>[^\n]+?)\.?(?:""")?\n.*?^SECTION = "(?P<section>[^"]+)"$', re.DOTALL | re.M
)


@dataclass(frozen=True)
class Verb:
    """A verb as ``--help`` lists it.

    ``needs_kedro``: it is for projects; the others work in the light core, too.
    """

    section: str
    sentence: str
    needs_kedro: bool


class VerbGroup(click.Group):
    """Lists the verbs by section, and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb."""
        return load_verb(cmd_name) if cmd_name in VERBS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb, or suggest the nearest."""
        near = find_nearest(args[0], VERBS)
        if args[0] not in VERBS and near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a list for each section."""
        width = max(map(len, VERBS))
        for section in SECTIONS:
            rows = [
                (name.ljust(width), verb.sentence)
                for name, verb in VERBS.items()
                if verb.section == section
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


def find_verbs(folder: Traversable) -> Iterator[tuple[str, Verb]]:
    """Yield the names and heads of the verbs that a folder of modules holds."""
    for file in folder.iterdir():
        text = file.read_text("utf-8") if file.name.endswith(".py") else ""
        if found := _HEAD.match(text):
            needs_kedro = any(f"\nfrom {module}" in text for module in OF_PROJECTS)
            name = file.name.removesuffix(".py").replace("_", "-")
            yield name, Verb(found["section"], found["sentence"], needs_kedro)


VERBS: Mapping[str, Verb] = dict(sorted(find_verbs(files("rightfit.verbs"))))


def load_verb(name: str) -> click.Command:
    """Import a verb, if what it needs is installed.

    Raises:
        click.ClickException: If it needs Kedro, and there is none.
    """
    if VERBS[name].needs_kedro:
        with faults_as_message():
            require("kedro", purpose=f"rightfit {name}")
    if name != "run":
        for chatty in CHATTY:  # filters outlast Kedro's configuration of logging, levels do not
            logging.getLogger(chatty).addFilter(_is_warning)
    module = name.replace("-", "_")
    command: click.Command = getattr(import_module(f"rightfit.verbs.{module}"), module)
    return command


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@click.group()
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group(name="rightfit", cls=VerbGroup)
def verbs() -> None:
    """Find the model that fits the application.

    Each verb has a --help of its own. Options without a verb are those of rightfit run:
    rightfit --pipelines perf.
    """
