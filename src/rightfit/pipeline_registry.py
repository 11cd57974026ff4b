"""The project's pipelines."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; ``perf`` is the default."""
    pipelines = find_pipelines(raise_errors=True)
    if "perf" in pipelines:
        pipelines["__default__"] = pipelines["perf"]
    return pipelines
