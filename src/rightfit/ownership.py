"""Which nodes and pipelines are Rightfit's: hooks must leave all others alone."""

from __future__ import annotations

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

PIPELINES = frozenset(
    {
        "data_engineering",
        "training",
        "evaluation",
        "ranking",
        "refit",
        "http_load",
        "reporting",
        "perf",
        "early_stopping",
        "training_costs",
    }
)
"""Names of Rightfit's pipelines."""

PACKAGE = f"{__name__.partition('.')[0]}.pipelines."


def is_own(node: Node) -> bool:
    """Return whether a node runs a function of Rightfit's pipelines."""
    return str(getattr(node.func, "__module__", "")).startswith(PACKAGE)


def list_stages(pipeline: Pipeline) -> set[str]:
    """Return the stages, such as ``training``, that a pipeline has nodes of."""
    return {find_stage(node) for node in pipeline.nodes if is_own(node)}


def find_stage(node: Node) -> str:
    """Return the stage of one of Rightfit's nodes."""
    return str(node.func.__module__).removeprefix(PACKAGE).partition(".")[0]


def list_own_outputs(pipeline: Pipeline) -> set[str]:
    """Return the datasets that Rightfit's nodes of a pipeline write."""
    return {name for node in pipeline.nodes if is_own(node) for name in node.outputs}
