"""Rightfit's nodes: which they are, and what the run must know of them.

Hooks and runner leave all other nodes alone.

A project may tag nodes of its own ``rightfit``. The hooks then treat them as Rightfit's: they give
all results of a run one version, show progress and explain errors.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit._core.spelling import suggest

if TYPE_CHECKING:
    from rightfit_search.searching.parallel.planned_search import PlannedSearch

BOXES = {
    "data_engineering": "data_engineering",
    "training": "training",
    "evaluation": "performance_evaluation",
    "ranking": "ranking",
    "http_load": "ranking",
    "reporting": "report",
}
"""Namespace of each pipeline's nodes: the box that kedro-viz shows them in."""

PIPELINES = frozenset({*BOXES, "perf"})
"""Names of the library's pipelines."""

TAG = "rightfit"
SHIPPED = ("rightfit_deploy.", "rightfit_kedro.pipelines.")  # how their modules are called


class NodeFunction(functools.partial[Any]):
    """A node's function with some arguments bound, and what the run must know of it.

    Args:
        func: The function; the node has its name, documentation and type hints.
        plan: Returns the search of the node, given its inputs and ``n_searches``, how many there
            are. Such searches are carried out side by side.
        inputs: Of a node that searches, by argument; ``model`` and ``training`` are among them.
        **bound: Arguments of ``func``.
    """

    plan: Callable[..., PlannedSearch] | None  # of a node that searches
    inputs: Mapping[str, str]

    def __new__(
        cls,
        func: Callable[..., Any],
        /,
        *,
        plan: Callable[..., PlannedSearch] | None = None,
        inputs: Mapping[str, str] | None = None,
        **bound: Any,
    ) -> NodeFunction:
        """Bind the arguments."""
        self = super().__new__(cls, func, **bound)
        functools.update_wrapper(self, func)
        self.plan, self.inputs = plan, inputs or {}
        return self


def is_shipped(node: Node) -> bool:
    """Return whether a node runs a function of the library's pipelines, or of deployment."""
    return str(getattr(node.func, "__module__", "")).startswith(SHIPPED)


def is_own(node: Node) -> bool:
    """Return whether a node is the library's, or one that a project has tagged."""
    return is_shipped(node) or TAG in node.tags


def holds_own(pipeline: Pipeline) -> bool:
    """Return whether any node of a pipeline is own."""
    return any(map(is_own, pipeline.nodes))


def list_stages(pipeline: Pipeline) -> set[str]:
    """Return the stages, such as ``training``, that a pipeline has own nodes of."""
    return {find_stage(node) for node in pipeline.nodes if is_own(node)}


def find_stage(node: Node) -> str:
    """Return the stage of an own node: the folder that its function's module lies in."""
    return str(node.func.__module__).rpartition(".")[0].rpartition(".")[2]


def find_place(node: Node) -> str:
    """Return the dataset or cell that a node is about, its namespace within its box; else empty."""
    box, _, namespace = (node.namespace or "").partition(".")
    return namespace if box in BOXES.values() else node.namespace or ""


def find_unknown_names(arguments: Mapping[str, Any], pipeline: Pipeline) -> list[str]:
    """Describe the nodes, tags and datasets that a run names and its pipeline does not have.

    Args:
        arguments: Options of Kedro's session, such as ``from_nodes``.
        pipeline: All nodes that the run could choose from.

    Returns:
        One line per name, with the name that is meant.
    """
    nodes, datasets = {node.name for node in pipeline.nodes}, pipeline.datasets()
    spaces = {
        space
        for node in pipeline.nodes
        for space in itertools.accumulate((node.namespace or "").split("."), "{}.{}".format)
    }
    options = {
        "--nodes": ("node_names", nodes),
        "--from-nodes": ("from_nodes", nodes),
        "--to-nodes": ("to_nodes", nodes),
        "--namespaces": ("namespaces", spaces),
        "--from-inputs": ("from_inputs", datasets),
        "--to-outputs": ("to_outputs", datasets),
        "--load-versions": ("load_versions", datasets),
        "--tags": ("tags", {tag for node in pipeline.nodes for tag in node.tags}),
    }
    return [
        f"{option} {name}: there is no such name{suggest(name, names)}."
        for option, (key, names) in options.items()
        for name in arguments.get(key) or ()
        if name not in names
    ]


def list_own_inputs(pipeline: Pipeline) -> set[str]:
    """Return the datasets that own nodes of a pipeline read."""
    return {name for node in pipeline.nodes if is_own(node) for name in node.inputs}


def list_own_outputs(pipeline: Pipeline) -> set[str]:
    """Return the datasets that own nodes of a pipeline write."""
    return {name for node in pipeline.nodes if is_own(node) for name in node.outputs}
