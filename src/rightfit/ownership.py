"""Which nodes and pipelines are Rightfit's: hooks must leave all others alone.

A project may tag nodes of its own ``rightfit``. The hooks then treat them as Rightfit's: they check
the parameters that the nodes read before anything runs, give all results of a run one version, show
progress and explain errors. Tagged nodes always run: nothing tells whether their code has changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.validation import TypeExtractor
from pydantic import BaseModel

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
    }
)
"""Names of the library's pipelines."""

TAG = "rightfit"
PACKAGE = f"{__name__.partition('.')[0]}.pipelines."


def is_shipped(node: Node) -> bool:
    """Return whether a node runs a function of the library's pipelines."""
    return str(getattr(node.func, "__module__", "")).startswith(PACKAGE)


def is_own(node: Node) -> bool:
    """Return whether a node is the library's, or one that a project has tagged."""
    return is_shipped(node) or TAG in node.tags


def list_stages(pipeline: Pipeline) -> set[str]:
    """Return the stages, such as ``training``, that a pipeline has own nodes of."""
    return {find_stage(node) for node in pipeline.nodes if is_own(node)}


def find_stage(node: Node) -> str:
    """Return the stage of an own node: the folder that its function's module lies in."""
    return str(node.func.__module__).rpartition(".")[0].rpartition(".")[2]


def list_own_outputs(pipeline: Pipeline) -> set[str]:
    """Return the datasets that own nodes of a pipeline write."""
    return {name for node in pipeline.nodes if is_own(node) for name in node.outputs}


def read_tagged_models(pipelines: Mapping[str, Pipeline]) -> dict[str, type[BaseModel]]:
    """Return the models of the parameters that tagged nodes read, by key, from their type hints."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        tagged = {name: one.only_nodes_with_tags(TAG) for name, one in pipelines.items()}
    found = TypeExtractor(tagged).extract_types_from_pipelines()
    return {
        key: kind
        for key, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
