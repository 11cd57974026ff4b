"""Where a verb finds the project's configuration and its stored results."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text


class FiniteRange(click.FloatRange):
    """A number of an option within bounds; click lets NaN pass all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or end the command."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


PORT = click.IntRange(0, 65_535)


def where(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that locate the stored results."""
    for option in (
        click.option("--data-root", help="Root of all data instead of the configured one."),
        click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration."),
        click.option(
            "--conf-source",
            type=click.Path(exists=True, path_type=Path),
            help="Folder or archive of the configuration; conf in the project if not given.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def faults_as_message(*kinds: type[Exception]) -> Iterator[None]:
    """End the command with the message of an expected error, instead of a traceback.

    A catalog entry that cannot be opened is one of them.
    """
    try:
        yield
    except Exception as err:
        kedro_io = sys.modules.get("kedro.io")  # some verbs run where there is no Kedro
        of_kedro = () if kedro_io is None else (kedro_io.DatasetError,)
        if not isinstance(err, (OSError, ValueError, *of_kedro, *kinds)):
            raise
        raise click.ClickException(clean_text(str(err))) from err


def read_project_parameters(
    params: dict[str, Any],
    env: str | None,
    conf_source: Path | None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return all parameters of the project in a folder, the library's included.

    Args:
        params: Parameters that replace those of the configuration.
        env: Environment of the configuration; ``None``: the default one.
        conf_source: Folder of the configuration; ``None``: the project's own.
        folder: A folder in the project; ``None``: the working directory.

    Raises:
        ValueError: If there is no grid among them.
    """
    from kedro.framework.project import settings

    from rightfit.conf_files import make_loader, read_parameters
    from rightfit.parameters.defaults import complete_parameters
    from rightfit.verbs.place import find_project

    project = find_project(folder or Path.cwd())
    loader = make_loader(
        conf_source or project / settings.CONF_SOURCE,
        env=env,
        runtime_params=params,
    )
    own = read_parameters(loader)
    if own is None:
        raise ValueError("The configuration has no grid. Write one with: kedro rightfit init")
    return complete_parameters(own)


def open_place(
    data_root: str | None,
    env: str | None,
    conf_source: Path | None,
    raw_table: str | None = None,
) -> Any:
    """Return the stored results; see :func:`rightfit.verbs.stored.open_results`."""
    from kedro.framework.project import settings

    from rightfit.verbs.place import find_project
    from rightfit.verbs.stored import open_results

    here = Path.cwd()
    project = find_project(here)
    return open_results(
        project,
        conf_source or project / settings.CONF_SOURCE,
        env=env,
        data_root=str(here / data_root) if data_root and "://" not in data_root else data_root,
        raw_table=raw_table,
    )
