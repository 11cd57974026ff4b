"""Cutting a pipeline into tasks."""

from __future__ import annotations

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroServiceSession
from kedro.pipeline import Node, Pipeline

from rightfit.deployment.task_plan import DagTask, check_plan, find_stages, plan_tasks

pytestmark = pytest.mark.whole

CELLS = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def work(*inputs: object) -> None:
    """Stand for any node."""


def node(name: str, inputs: list[str] | None, output: str) -> Node:
    *namespace, short = name.split(".")
    return Node(work, inputs, output, name=short, namespace=".".join(namespace) or None)


PREPARING = Pipeline([node(f"{d}.prepare", [f"{d}_raw"], f"{d}.rows") for d in ("a", "b")])
FITTING = Pipeline([node(f"{d}.{m}.fit", [f"{d}.rows"], f"{d}.{m}.model") for d, m in CELLS])
TIMING = Pipeline(
    [
        node("look_around", None, "place"),
        *(node(f"{d}.{m}.time", [f"{d}.{m}.model", "place"], f"{d}.{m}.times") for d, m in CELLS),
        *(node(f"{d}.collect", [f"{d}.x.times", f"{d}.y.times"], f"{d}.times") for d in ("a", "b")),
        node("collect", ["a.times", "b.times"], "times"),
    ]
)
CHOOSING = Pipeline([node("choose", ["times"], "choice"), node("explain", ["choice"], "reason")])
STAGES = {"preparing": PREPARING, "fitting": FITTING, "timing": TIMING, "choosing": CHOOSING}
WHOLE = Pipeline([node for stage in STAGES.values() for node in stage.nodes])


def plan(*alone: str) -> dict[str, DagTask]:
    return {task.name: task for task in plan_tasks(WHOLE, STAGES, alone=alone)}


def test_stages_are_cut_as_fine_as_their_namespaces() -> None:
    assert sorted(plan()) == [
        "choosing",
        "fitting.a.x",
        "fitting.a.y",
        "fitting.b.x",
        "fitting.b.y",
        "preparing.a",
        "preparing.b",
        "timing.a.x",
        "timing.a.y",
        "timing.b.x",
        "timing.b.y",
        "timing.look_around",
    ]


def test_collecting_joins_the_whole_stage_that_reads_it() -> None:
    assert set(plan()["choosing"].nodes) == {
        "a.collect",
        "b.collect",
        "collect",
        "choose",
        "explain",
    }


def test_cells_wait_for_nothing_but_what_they_read() -> None:
    tasks = plan()

    assert tasks["fitting.a.x"].after == ("preparing.a",)
    assert tasks["timing.a.x"].after == ("fitting.a.x", "timing.look_around")
    assert tasks["timing.look_around"].after == ()


def test_stage_alone_waits_for_all_before_it() -> None:
    tasks = plan("timing")

    assert tasks["timing.look_around"].after == (
        "fitting.a.x",
        "fitting.a.y",
        "fitting.b.x",
        "fitting.b.y",
    )
    assert tasks["timing.a.x"].after == ("timing.look_around",)


def test_tasks_come_after_those_they_wait_for() -> None:
    seen: set[str] = set()
    for task in plan_tasks(WHOLE, STAGES, alone=["timing"]):
        assert set(task.after) <= seen
        seen.add(task.name)


def test_table_read_by_two_whole_stages_joins_the_first() -> None:
    telling = Pipeline([node("tell", ["choice", "a.times"], "story")])
    whole = Pipeline([*WHOLE.nodes, *telling.nodes])

    tasks = {t.name: t for t in plan_tasks(whole, {**STAGES, "telling": telling}, alone=[])}

    assert "a.collect" in tasks["choosing"].nodes
    assert tasks["telling"].nodes == ("tell",)
    assert tasks["telling"].after == ("choosing",)


@pytest.mark.filterwarnings("ignore:Namespace .* is interrupted")
def test_tasks_that_wait_for_each_other_are_refused() -> None:
    # between two nodes of a cell stands a table of all cells
    both = Pipeline(
        [
            *(node(f"a.{m}.look", None, f"a.{m}.look") for m in ("x", "y")),
            node("a.gather", ["a.x.look", "a.y.look"], "a.looks"),
            *(node(f"a.{m}.judge", ["a.looks"], f"a.{m}.verdict") for m in ("x", "y")),
        ]
    )

    with pytest.raises(ValueError, match="wait for each other"):
        plan_tasks(both, {"screening": both}, alone=[])


def test_node_of_no_stage_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'explain': \[\]"):
        plan_tasks(WHOLE, STAGES | {"choosing": CHOOSING.only_nodes("choose")}, alone=[])


def test_plan_of_another_grid_is_refused() -> None:
    tasks = {name: {"nodes": task.nodes} for name, task in plan().items()}

    check_plan(tasks, WHOLE)
    with pytest.raises(ValueError, match=r"lacks the nodes \['fresh'\]"):
        check_plan(tasks, Pipeline([*WHOLE.nodes, node("fresh", None, "new")]))
    with pytest.raises(ValueError, match=r"has \['choose', 'explain'\] too many"):
        check_plan(tasks, WHOLE - CHOOSING)


@pytest.mark.parametrize(("env", "n_datasets", "n_searches"), [("test", 2, 6), ("base", 3, 10)])
def test_main_job_has_one_task_per_dataset_and_one_per_search(
    bootstrapped: object, env: str, n_datasets: int, n_searches: int
) -> None:
    with KedroServiceSession.create(project_path=bootstrapped, env=env) as session:  # type: ignore[arg-type]
        session.load_context()
        registered = {name: pipelines[name] for name in pipelines if name != "__default__"}
    perf = registered["perf"]

    tasks = plan_tasks(perf, find_stages("perf", registered), alone=["evaluation", "http_load"])
    names = [task.name for task in tasks]

    assert sum(name.startswith("data_engineering.") for name in names) == n_datasets
    assert sum(name.startswith("training.") for name in names) == n_searches
    assert sum(name.startswith("evaluation.") for name in names) == n_datasets
    whole = {"refit", "ranking", "http_load", "reporting"}
    assert set(names) >= whole
    assert len(names) == 2 * n_datasets + n_searches + len(whole)
    planned = [node for task in tasks for node in task.nodes]
    assert sorted(planned) == sorted(node.name for node in perf.nodes)
