"""The verbs, as ``rightfit which`` or as ``kedro rightfit which``.

A verb is a module of this package with a ``SECTION``, or a package of such modules. Its name, the
first line of its docstring and its section are read from the file: importing all verbs takes
seconds, and ``--help`` should not.
"""

from __future__ import annotations

import keyword
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import click

from rightfit import __version__
from rightfit._core.extras import require
from rightfit._core.kedro_logs import CHATTY, is_warning
from rightfit._core.spelling import find_nearest
from rightfit.cli.options import faults_as_message

PACKAGE = "rightfit.cli"
SECTIONS = ("Run", "Look", "Use", "Measure elsewhere", "Maintain")

PROJECT_MODULES = ("kedro", "rightfit.kedro_project.stored_results")
"""Modules that verbs of projects import."""

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
    """Lists the verbs of a package by section, and imports the one that is used."""

    def __init__(self, *args: Any, package: str = PACKAGE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package = package

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The verbs by name."""
        return list_verbs(self.package)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all verbs."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb."""
        return load_verb(cmd_name, self.package) if cmd_name in self.verbs else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb, or suggest the nearest."""
        near = find_nearest(args[0], self.verbs)
        if args[0] not in self.verbs and near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a list for each section."""
        width = max(map(len, self.verbs))
        for section in SECTIONS:
            rows = [
                (name.ljust(width), verb.sentence)
                for name, verb in self.verbs.items()
                if verb.section == section
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


def find_verbs(folder: Traversable) -> Iterator[tuple[str, Verb]]:
    """Yield the names and heads of the verbs that a folder of modules and packages holds."""
    for entry in folder.iterdir():
        file = entry / "__init__.py" if entry.is_dir() else entry
        text = file.read_text("utf-8") if file.name.endswith(".py") and file.is_file() else ""
        if (head := _HEAD.match(text)) and not entry.name.startswith("_"):
            needs_kedro = any(f"\nfrom {module}" in text for module in PROJECT_MODULES)
            name = entry.name.removesuffix(".py").rstrip("_").replace("_", "-")
            yield name, Verb(head["section"], head["sentence"], needs_kedro)


@cache
def list_verbs(package: str = PACKAGE) -> Mapping[str, Verb]:
    """Return the verbs of a package by name."""
    return dict(sorted(find_verbs(files(package))))


def load_verb(name: str, package: str = PACKAGE) -> click.Command:
    """Import a verb, if what it needs is installed.

    Raises:
        click.ClickException: If it needs Kedro, and there is none.
    """
    if list_verbs(package)[name].needs_kedro:
        words = package.removeprefix(PACKAGE).split(".")[1:]
        with faults_as_message():
            require("kedro", purpose=" ".join(["rightfit", *words, name]))
    if name != "run":
        for chatty in CHATTY:  # filters outlast Kedro's configuration of logging, levels do not
            logging.getLogger(chatty).addFilter(is_warning)
    module = name.replace("-", "_") + "_" * keyword.iskeyword(name)
    command: click.Command = getattr(import_module(f"{package}.{module}"), module)
    return command


@click.group()
def commands() -> None:
    """Commands that Kedro adds to its own."""


@commands.group(name="rightfit", cls=VerbGroup)
@click.version_option(__version__, prog_name="rightfit", message="%(prog)s %(version)s")
def verbs() -> None:
    """Find the model that fits the application.

    Each verb has a --help of its own. Options without a verb are those of rightfit run:
    rightfit --pipelines perf.
    """
