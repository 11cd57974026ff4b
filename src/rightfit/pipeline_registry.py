"""The repository's own pipelines: those of the library."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from rightfit.pipelines import create_pipelines, find_grid


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; ``perf`` is the default."""
    pipelines = create_pipelines(find_grid())
    return pipelines | {"__default__": pipelines.get("perf", Pipeline([]))}
