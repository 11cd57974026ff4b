"""Measure candidates on another machine: pack, measure there, import."""

from __future__ import annotations

import click

from rightfit.cli.verb_group import GROUP, VerbGroup

SECTION = "Measure elsewhere"


@click.group(cls=VerbGroup, entries=f"{GROUP}.remote")
def remote() -> None:
    """Measure candidates on another machine: pack, measure there, import."""
