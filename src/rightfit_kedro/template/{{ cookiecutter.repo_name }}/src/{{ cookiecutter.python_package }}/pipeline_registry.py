"""The project's pipelines: Rightfit's, and your own in pipelines/."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from rightfit_kedro.pipelines import create_pipelines, find_grid


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; the default is Rightfit's main job."""
    pipelines = create_pipelines(find_grid()) | find_pipelines()
    return pipelines | {"__default__": pipelines["perf"]}
