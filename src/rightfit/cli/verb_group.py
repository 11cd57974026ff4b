"""The verbs, as ``rightfit which`` or as ``kedro rightfit which``.

A verb is a module with a ``SECTION``, or a package of such modules, in a package that an entry
point of the group ``rightfit.verbs`` names. Its name, the first line of its docstring and its
section are read from the file: importing all verbs takes seconds, and ``--help`` should not. Such a
package may name in ``NEEDS`` the libraries of extras that all its verbs import.
"""

from __future__ import annotations

import contextlib
import keyword
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import click
from click.shell_completion import CompletionItem

from rightfit import __version__
from rightfit._core.extras import require
from rightfit._core.kedro_logs import CHATTY, is_warning
from rightfit._core.plugins import find_plugins
from rightfit._core.spelling import find_nearest
from rightfit.cli.options import faults_as_message

GROUP = "rightfit.verbs"  # of entry points; those of a verb that is a group have its name added
SECTIONS = ("Run", "Look", "Use", "Measure elsewhere", "Maintain")

_HEAD = re.compile(
    r'\A"""(?P<sentence>[^\n]+?)\.?(?:""")?\n.*?^SECTION = "(?P<section>[^"]+)"$', re.DOTALL | re.M
)


@dataclass(frozen=True)
class Verb:
    """A verb as ``--help`` lists it, and the package that holds it."""

    section: str
    sentence: str
    package: str


class VerbGroup(click.Group):
    """Lists the verbs of all packages by section, and imports the one that is used."""

    def __init__(self, *args: Any, entries: str = GROUP, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The verbs by name."""
        return list_verbs(self.entries)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all verbs."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; where a shell asks for completions, none that lacks a library."""
        if cmd_name not in self.verbs:
            return None
        missing = (click.ClickException,) if ctx.resilient_parsing else ()
        with contextlib.suppress(*missing):
            return load_verb(cmd_name, self.entries)
        return None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the verbs that begin so, none of which is imported, and the options."""
        begun = [
            CompletionItem(name, help=verb.sentence)
            for name, verb in self.verbs.items()
            if name.startswith(incomplete)
        ]
        return [*begun, *click.Command.shell_complete(self, ctx, incomplete)]

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


def find_verbs(package: str) -> Iterator[tuple[str, Verb]]:
    """Yield the names and heads of the verbs that a package holds."""
    for entry in files(package).iterdir():
        file = entry / "__init__.py" if entry.is_dir() else entry
        text = file.read_text("utf-8") if file.name.endswith(".py") and file.is_file() else ""
        if (head := _HEAD.match(text)) and not entry.name.startswith("_"):
            name = entry.name.removesuffix(".py").rstrip("_").replace("_", "-")
            yield name, Verb(head["section"], head["sentence"], package)


@cache
def list_verbs(entries: str = GROUP) -> Mapping[str, Verb]:
    """Return the verbs by name, of all packages that a group of entry points names."""
    packages = [entry.module for entry in find_plugins(entries).values()]
    return dict(sorted(verb for package in packages for verb in find_verbs(package)))


def load_verb(name: str, entries: str = GROUP) -> click.Command:
    """Import a verb, if what it needs is installed.

    Raises:
        click.ClickException: If a library that its package needs is missing.
    """
    package = list_verbs(entries)[name].package
    words = entries.removeprefix(GROUP).split(".")[1:]
    with faults_as_message():
        needs = getattr(import_module(package), "NEEDS", ())
        require(*needs, purpose=" ".join(["rightfit", *words, name]))
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
