"""The project's pipelines."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from kedro.config import OmegaConfigLoader
from kedro.framework.project import find_pipelines, settings
from kedro.pipeline import Pipeline
from kedro.utils import find_kedro_project

from rightfit.grid import has_grid, use_parameters


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; ``perf`` is the default."""
    if not has_grid():
        _use_project_configuration()
    with warnings.catch_warnings():
        # Kedro warns of a node outside a namespace that reads from inside; collecting does that
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        pipelines = find_pipelines(raise_errors=True)
    if "perf" in pipelines:
        pipelines["__default__"] = pipelines["perf"]
    return pipelines


def _use_project_configuration() -> None:
    """Read the grid for commands that open no session, such as ``kedro registry list``."""
    project = find_kedro_project(Path.cwd())
    if project is None:
        return
    loader = OmegaConfigLoader(
        str(project / settings.CONF_SOURCE),
        env=os.environ.get("KEDRO_ENV"),
        **settings.CONFIG_LOADER_ARGS,
    )
    use_parameters(loader["parameters"])
