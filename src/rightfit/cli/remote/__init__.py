"""Measure candidates on another machine: pack, measure there, import."""

from __future__ import annotations

import click

from rightfit.cli.verb_group import VerbGroup

SECTION = "Measure elsewhere"


@click.group(cls=VerbGroup, package=__name__)
def remote() -> None:
    """Measure candidates on another machine: pack, measure there, import."""
