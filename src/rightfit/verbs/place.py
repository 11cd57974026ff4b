"""The project that a verb is used in."""

from __future__ import annotations

from pathlib import Path

from kedro.framework import project
from kedro.framework.project import configure_project
from kedro.framework.startup import bootstrap_project
from kedro.utils import find_kedro_project

PACKAGE = __name__.partition(".")[0]


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
