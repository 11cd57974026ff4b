"""The project that a verb is used in: its configuration and its stored results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from kedro.framework import project
from kedro.framework.project import configure_project, settings
from kedro.framework.startup import bootstrap_project
from kedro.utils import find_kedro_project

from rightfit.kedro_project.files import make_loader, read_parameters
from rightfit.parameters.defaults import complete_parameters
from rightfit.verbs.stored import StoredResults, open_results

PACKAGE = __name__.partition(".")[0]
Own = ParamSpec("Own")


@dataclass(frozen=True)
class Place:
    """Where a verb finds configuration and stored results.

    Args:
        data_root: Root of all data instead of the configured one.
        env: Environment of the configuration; ``None``: the default one.
        conf_source: Folder or archive of the configuration; ``None``: the project's own.
        folder: The working directory, in the project or not.
    """

    data_root: str | None = None
    env: str | None = None
    conf_source: Path | None = None
    folder: Path = field(default_factory=Path.cwd)

    def find_conf_source(self) -> Path:
        """Return the folder or archive of the configuration."""
        found = find_project(self.folder)  # its settings are in use from here on
        return self.conf_source or found / settings.CONF_SOURCE

    def open_results(self, raw_table: str | None = None) -> StoredResults:
        """Open the stored results; see :func:`rightfit.verbs.stored.open_results`."""
        root = self.data_root
        return open_results(
            find_project(self.folder),
            self.find_conf_source(),
            env=self.env,
            data_root=str(self.folder / root) if root and "://" not in root else root,
            raw_table=raw_table,
        )

    def read_parameters(self, given: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return all parameters, the library's included.

        Args:
            given: Parameters that replace those of the configuration.

        Raises:
            ValueError: If there is no grid among them.
        """
        source = self.find_conf_source()
        own = read_parameters(make_loader(source, env=self.env, runtime_params=dict(given or {})))
        if own is None:
            raise ValueError("The configuration has no grid. Write one with: kedro rightfit init")
        return complete_parameters(own)


def where(command: Callable[Concatenate[Place, Own], None]) -> Callable[..., None]:
    """Give a verb the options that locate configuration and results, as its first argument."""

    @wraps(command)
    def run(
        data_root: str | None,
        env: str | None,
        conf_source: Path | None,
        *args: Own.args,
        **own: Own.kwargs,
    ) -> None:
        command(Place(data_root, env, conf_source), *args, **own)

    found: Callable[..., None] = run
    for option in (
        click.option("--data-root", help="Root of all data instead of the configured one."),
        click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration."),
        click.option(
            "--conf-source",
            type=click.Path(exists=True, path_type=Path),
            help="Folder or archive of the configuration; conf in the project if not given.",
        ),
    ):
        found = option(found)
    return found


def find_project(folder: Path) -> Path:
    """Return the project that a folder lies in, its settings in use.

    Outside of a project the folder itself is returned, with the settings of the library: a verb
    reads results anywhere, given a configuration.
    """
    found = find_kedro_project(folder)
    if found is None:
        configure_project(PACKAGE)
        return folder
    if not project.PACKAGE_NAME:  # kedro's own commands have done it
        bootstrap_project(found)
    return Path(found)
