"""The repository's own pipelines: the library's, and those of the studies beside it.

The wheel holds this project too, but not the studies.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from kedro.pipeline import Pipeline

from rightfit_kedro.pipelines import create_pipelines, find_grid

STUDY = Path(__file__).parents[1] / "rightfit_study"


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; ``perf`` is the default."""
    grid = find_grid()
    pipelines = create_pipelines(grid)
    if grid is not None and STUDY.is_dir():
        pipelines |= import_module(f"{STUDY.name}.pipelines").create_pipelines(grid)
    return pipelines | {"__default__": pipelines.get("perf", Pipeline([]))}
