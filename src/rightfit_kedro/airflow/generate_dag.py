"""Cut a project's pipeline into tasks, and write them as an Airflow DAG: ``make airflow``.

``python -m rightfit_kedro.airflow.generate_dag`` does so in any project of Rightfit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import jinja2
from kedro.framework.project import pipelines, settings
from kedro.framework.session import KedroServiceSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node, Pipeline
from omegaconf import OmegaConf
from pydantic import Field, ValidationError

from rightfit._core.errors import RightfitError
from rightfit._core.strict_model import MAX_COUNT, MAX_S, StrictModel
from rightfit_kedro.nodes import find_place

TEMPLATE = Path(__file__).parent / "templates" / "airflow_dag.py.j2"


def main(arguments: Sequence[str] | None = None) -> Path:
    """Generate the DAG and return its file.

    Raises:
        ValueError: If the settings or the pipeline cannot be turned into tasks.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", required=True, help="a registered pipeline")
    parser.add_argument("--env", required=True, help="Kedro environment")
    parser.add_argument("--settings", required=True, type=Path, help="the DAG's settings (YAML)")
    parser.add_argument("--out", required=True, type=Path, help="folder for the DAG")
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="the project's folder")
    parser.add_argument("--conf-source", type=Path, help="conf in the project if not given")
    chosen = parser.parse_args(arguments)
    project = bootstrap_project(chosen.project)
    dag_settings = read_settings(chosen.settings)
    session = KedroServiceSession.create(
        project_path=project.project_path,
        env=chosen.env,
        conf_source=str(chosen.conf_source or chosen.project / settings.CONF_SOURCE),
    )
    with session:
        session.load_context()  # from now on the pipelines are those of its grid
        registered = {name: pipelines[name] for name in pipelines if name != "__default__"}
    if chosen.pipeline not in registered:
        raise RightfitError(f"There is no pipeline {chosen.pipeline!r}, but {sorted(registered)}.")
    stages = find_stages(chosen.pipeline, registered)
    dag_settings.check_stages(set(registered))

    def place(stage: str) -> dict[str, str]:
        settings = {"pool": dag_settings.pools.get(stage), "queue": dag_settings.queues.get(stage)}
        return {key: value for key, value in settings.items() if value is not None}

    # what is rendered is Python, not HTML
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    environment.filters["py"] = repr
    dag = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        dag_id=f"{project.package_name}-{chosen.pipeline}".replace("_", "-"),
        package=project.package_name,
        pipeline=chosen.pipeline,
        env=chosen.env,
        settings=dag_settings,
        tasks=plan_tasks(registered[chosen.pipeline], stages, alone=dag_settings.alone),
        place=place,
    )
    chosen.out.mkdir(parents=True, exist_ok=True)
    path: Path = chosen.out / f"{project.package_name}_{chosen.pipeline}.py"
    path.write_text(dag, encoding="utf-8")
    sys.stdout.write(f"{path}\n")
    return path


class DagSettings(StrictModel):
    """How a scheduler runs the tasks (``conf/airflow/airflow.yml``)."""

    schedule: str | None
    start_date: date
    catchup: bool
    max_active_runs: int = Field(gt=0, le=MAX_COUNT)
    max_active_tasks: int = Field(gt=0, le=MAX_COUNT)
    retries: int = Field(ge=0, le=MAX_COUNT)
    retry_delay_s: float = Field(ge=0, le=MAX_S)
    alone: tuple[str, ...]
    pools: dict[str, str]
    queues: dict[str, str]

    def check_stages(self, stages: set[str]) -> None:
        """Refuse settings for stages there are not.

        Raises:
            ValueError: Naming the unknown stages.
        """
        unknown = sorted({*self.alone, *self.pools, *self.queues} - stages)
        if unknown:
            raise RightfitError(
                f"alone, pools and queues name the stages {unknown}, but there are "
                f"{sorted(stages)}. Correct the DAG's settings (airflow.yml)."
            )


def read_settings(path: Path) -> DagSettings:
    """Read a DAG's settings.

    Raises:
        ValueError: Naming every faulty key.
    """
    try:
        return DagSettings.model_validate(OmegaConf.to_container(OmegaConf.load(path)))
    except ValidationError as err:
        raise RightfitError(f"{path} is not right: {err}") from err


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

    A stage is cut as fine as its namespaces are: one task per dataset where nodes stand in
    namespaces of datasets, one per cell where there are cells, one in all where there are none.
    What stands above that cut (a table collected from several cells) joins the first whole-stage
    task that reads it; when finer tasks read it, it is a task of its own.

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
    members = {stage: set(part.nodes) for stage, part in stages.items()}
    stages_by_node = {
        node: [stage for stage, nodes in members.items() if node in nodes]
        for node in pipeline.nodes
    }
    unclear = {node.name: names for node, names in stages_by_node.items() if len(names) != 1}
    if unclear:
        raise RightfitError(
            f"Each node must belong to exactly one of the pipelines {sorted(stages)}, but these "
            f"belong to: {unclear}. Register each stage once, and the joint pipeline as their sum."
        )
    stage_of = {node: names[0] for node, names in stages_by_node.items()}
    depths = {
        stage: max(_depth(node) for node in pipeline.nodes if stage_of[node] == stage)
        for stage in set(stage_of.values())
    }
    task_of = {}
    for node in pipeline.nodes:
        stage, namespace = stage_of[node], find_place(node)
        if _depth(node) < depths[stage]:
            namespace = node.name
        task_of[node] = f"{stage}.{namespace}" if namespace else stage
    stage_of_task = {task_of[node]: stage_of[node] for node in pipeline.nodes}
    _join_readers(pipeline, task_of, depths, stage_of)
    after = _waits(pipeline, task_of)
    for stage in alone:
        siblings = {name for name in after if stage_of_task[name] == stage}
        # the first of them waits for everything that does not wait for any of them
        earlier = {name for name in after if not siblings & (_upstream(after, name) | {name})}
        for name in siblings:
            if not siblings & _upstream(after, name):
                after[name] |= earlier
    tasks = []
    for name in _order(after):
        nodes = tuple(node.name for node in pipeline.nodes if task_of[node] == name)
        implied = set[str]().union(*(_upstream(after, other) for other in after[name]))
        waits_for = tuple(sorted(after[name] - implied))
        tasks.append(DagTask(name, stage_of_task[name], nodes, waits_for))
    return tasks


def find_stages(name: str, registered: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """Return the registered pipelines that another one is made of."""
    whole = set(registered[name].nodes)
    return {
        other: pipeline
        for other, pipeline in registered.items()
        if pipeline.nodes and set(pipeline.nodes) < whole
    }


def _depth(node: Node) -> int:
    namespace = find_place(node)
    return len(namespace.split(".")) if namespace else 0


def _join_readers(
    pipeline: Pipeline,
    task_of: dict[Node, str],
    depths: Mapping[str, int],
    stage_of: Mapping[Node, str],
) -> None:
    """Put what stands above its stage's cut into the first whole stage, if only such read it."""
    whole = {stage for stage, depth in depths.items() if depth == 0}
    positions = {name: i for i, name in enumerate(_order(_waits(pipeline, task_of)))}
    for node in reversed(pipeline.nodes):
        if _depth(node) == depths[stage_of[node]]:
            continue
        outputs = set(node.outputs)
        readers = {task_of[other] for other in pipeline.nodes if outputs & set(other.inputs)}
        if readers and readers <= whole:
            task_of[node] = min(readers, key=lambda name: positions[name])


def _waits(pipeline: Pipeline, task_of: Mapping[Node, str]) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {name: set() for name in task_of.values()}
    for node, needed in pipeline.node_dependencies.items():
        after[task_of[node]] |= {task_of[other] for other in needed} - {task_of[node]}
    return after


def _upstream(after: Mapping[str, set[str]], name: str) -> set[str]:
    upstream: set[str] = set()
    waiting = [name]
    while waiting:
        new = after[waiting.pop()] - upstream
        upstream |= new
        waiting += new
    return upstream


def _order(after: Mapping[str, set[str]]) -> list[str]:
    try:
        return list(TopologicalSorter({name: sorted(after[name]) for name in after}).static_order())
    except CycleError as err:
        raise RightfitError(
            f"Tasks would wait for each other: {err.args[1]}. A stage must not read what a later "
            "stage makes of its own cells; make that a stage of its own."
        ) from err


if __name__ == "__main__":
    main()
