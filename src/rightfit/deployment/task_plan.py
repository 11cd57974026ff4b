"""Which nodes make up one task of a scheduler, and which task waits for which.

A stage is cut as fine as its namespaces are: one task per dataset where nodes stand in namespaces
of datasets, one per cell where there are cells, one in all where there are none. What stands above
that cut (a table collected from several cells) joins the first whole-stage task that reads it; when
finer tasks read it, it is a task of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from kedro.pipeline import Node, Pipeline

from rightfit.errors import RightfitError
from rightfit.kedro_project.nodes import find_place


@dataclass(frozen=True)
class DagTask:
    """Nodes that a scheduler runs in one process.

    Args:
        name: ``{stage}``, ``{stage}.{dataset or cell}`` or ``{stage}.{node}``.
        stage: The pipeline its nodes come from; a whole-stage task may hold nodes of others too.
        nodes: Names of the nodes.
        after: Names of the tasks it waits for, without those that these wait for.
    """

    name: str
    stage: str
    nodes: tuple[str, ...]
    after: tuple[str, ...]


def plan_tasks(
    pipeline: Pipeline, stages: Mapping[str, Pipeline], *, alone: Iterable[str]
) -> list[DagTask]:
    """Cut a pipeline into tasks.

    Args:
        pipeline: What is to run.
        stages: The pipelines it is made of, by name.
        alone: Stages that start only when nothing before them runs any more, such as one that
            times.

    Returns:
        The tasks, each after those it waits for. Every node is in exactly one.

    Raises:
        ValueError: If a node belongs to no stage or several, or tasks would wait for each other.
    """
    stage_of = _assign_stages(pipeline, stages)
    depths = {
        stage: max(_depth(node) for node in pipeline.nodes if stage_of[node] == stage)
        for stage in set(stage_of.values())
    }
    task_of = {}
    for node in pipeline.nodes:
        stage, place = stage_of[node], find_place(node)
        if _depth(node) < depths[stage]:
            place = node.name
        task_of[node] = f"{stage}.{place}" if place else stage
    stage_of_task = {task_of[node]: stage_of[node] for node in pipeline.nodes}
    _join_readers(pipeline, task_of, depths, stage_of)
    after = _waits(pipeline, task_of)
    for stage in alone:
        members = {name for name in after if stage_of_task[name] == stage}
        # the first of them waits for everything that does not wait for any of them
        earlier = {name for name in after if not members & (_upstream(after, name) | {name})}
        for name in members:
            if not members & _upstream(after, name):
                after[name] |= earlier
    tasks = []
    for name in _order(after):
        nodes = tuple(node.name for node in pipeline.nodes if task_of[node] == name)
        implied = set[str]().union(*(_upstream(after, other) for other in after[name]))
        waits_for = tuple(sorted(after[name] - implied))
        tasks.append(DagTask(name, stage_of_task[name], nodes, waits_for))
    return tasks


def check_plan(tasks: Mapping[str, Mapping[str, Iterable[str]]], pipeline: Pipeline) -> None:
    """Refuse a plan that was made for another pipeline.

    Raises:
        ValueError: Naming the nodes that are missing or too many.
    """
    planned = {node for task in tasks.values() for node in task["nodes"]}
    there = {node.name for node in pipeline.nodes}
    if planned != there:
        raise RightfitError(
            "The DAG was generated for another grid or version of the project: it lacks the nodes "
            f"{sorted(there - planned)} and has {sorted(planned - there)} too many. Generate it "
            "again for this configuration: make airflow AIRFLOW_ENV=<environment>."
        )


def find_stages(name: str, registered: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """Return the registered pipelines that another one is made of."""
    whole = set(registered[name].nodes)
    return {
        other: pipeline
        for other, pipeline in registered.items()
        if pipeline.nodes and set(pipeline.nodes) < whole
    }


def _assign_stages(pipeline: Pipeline, stages: Mapping[str, Pipeline]) -> dict[Node, str]:
    members = {stage: set(part.nodes) for stage, part in stages.items()}
    found = {
        node: [stage for stage, nodes in members.items() if node in nodes]
        for node in pipeline.nodes
    }
    unclear = {node.name: names for node, names in found.items() if len(names) != 1}
    if unclear:
        raise RightfitError(
            f"Each node must belong to exactly one of the pipelines {sorted(stages)}, but these "
            f"belong to: {unclear}. Register each stage once, and the joint pipeline as their sum."
        )
    return {node: names[0] for node, names in found.items()}


def _depth(node: Node) -> int:
    place = find_place(node)
    return len(place.split(".")) if place else 0


def _join_readers(
    pipeline: Pipeline,
    task_of: dict[Node, str],
    depths: Mapping[str, int],
    stage_of: Mapping[Node, str],
) -> None:
    """Put what stands above its stage's cut into the first whole stage, if only such read it."""
    whole = {stage for stage, depth in depths.items() if depth == 0}
    place = {name: i for i, name in enumerate(_order(_waits(pipeline, task_of)))}
    for node in reversed(pipeline.nodes):
        if _depth(node) == depths[stage_of[node]]:
            continue
        outputs = set(node.outputs)
        readers = {task_of[other] for other in pipeline.nodes if outputs & set(other.inputs)}
        if readers and readers <= whole:
            task_of[node] = min(readers, key=lambda name: place[name])


def _waits(pipeline: Pipeline, task_of: Mapping[Node, str]) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {name: set() for name in task_of.values()}
    for node, needed in pipeline.node_dependencies.items():
        after[task_of[node]] |= {task_of[other] for other in needed} - {task_of[node]}
    return after


def _upstream(after: Mapping[str, set[str]], name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = after[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _order(after: Mapping[str, set[str]]) -> list[str]:
    try:
        return list(TopologicalSorter({name: sorted(after[name]) for name in after}).static_order())
    except CycleError as err:
        raise RightfitError(
            f"Tasks would wait for each other: {err.args[1]}. A stage must not read what a later "
            "stage makes of its own cells; make that a stage of its own."
        ) from err
