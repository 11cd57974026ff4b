"""Cutting a pipeline into tasks, and the generated DAG and its settings: no Airflow needed."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroServiceSession
from kedro.pipeline import Node, Pipeline

from rightfit_kedro.airflow.generate_dag import (
    DagTask,
    find_stages,
    main,
    plan_tasks,
    read_settings,
)

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def dag_file(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = project_path / "conf" / "airflow" / "airflow.yml"
    out = tmp_path_factory.mktemp("dags")
    place = [f"--settings={settings}", f"--out={out}", f"--project={project_path}"]
    return main(["--pipeline=perf", "--env=airflow", *place])


@pytest.fixture(scope="module")
def source(dag_file: Path) -> ast.Module:
    return ast.parse(dag_file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tasks(source: ast.Module) -> dict[str, Any]:
    for statement in source.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "TASKS":
            return dict(ast.literal_eval(statement.value))
    raise AssertionError("the DAG has no TASKS")


def dag_arguments(source: ast.Module) -> dict[str, str]:
    block = next(statement for statement in source.body if isinstance(statement, ast.With))
    call = block.items[0].context_expr
    assert isinstance(call, ast.Call)
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}


def test_dag_is_named_for_package_and_pipeline(dag_file: Path, source: ast.Module) -> None:
    assert dag_file.name == "rightfit_project_perf.py"
    assert dag_arguments(source)["dag_id"] == "'rightfit-project-perf'"


def test_no_schedule_is_none_and_no_text(source: ast.Module) -> None:
    assert dag_arguments(source)["schedule"] == "None"
    assert dag_arguments(source)["catchup"] == "False"


def test_parsing_imports_nothing_but_airflow(source: ast.Module) -> None:
    imported = {
        name.name.partition(".")[0]
        for statement in source.body
        if isinstance(statement, ast.Import)
        for name in statement.names
    } | {
        str(statement.module).partition(".")[0]
        for statement in source.body
        if isinstance(statement, ast.ImportFrom)
    }

    assert imported == {"__future__", "datetime", "airflow"}


def test_building_machine_and_secrets_are_not_in_the_dag(
    dag_file: Path, project_path: Path
) -> None:
    text = dag_file.read_text(encoding="utf-8")

    for path in (project_path, Path.home(), Path(sys.prefix), dag_file.parent):
        assert str(path) not in text
    assert os.sep not in text.partition("TASKS")[2]
    assert "://" not in text


def test_only_measuring_tasks_are_in_the_timing_pool(tasks: dict[str, Any]) -> None:
    pools = {name: task["place"].get("pool") for name, task in tasks.items()}

    measuring = {name for name in tasks if name.startswith("evaluation.")}
    assert len(measuring) == 3  # one for each dataset
    assert {name for name, pool in pools.items() if pool == "rightfit_timing"} == {
        *measuring,
        "http_load",
    }


def test_trainings_wait_for_their_dataset_only(tasks: dict[str, Any]) -> None:
    trainings = {name: task for name, task in tasks.items() if name.startswith("training.")}

    assert len(trainings) == 10
    for name, task in trainings.items():
        assert task["after"] == [f"data_engineering.{name.split('.')[1]}"]


def test_unknown_pipeline_is_named(project_path: Path, tmp_path: Path) -> None:
    settings = project_path / "conf" / "airflow" / "airflow.yml"
    place = [f"--settings={settings}", f"--out={tmp_path}", f"--project={project_path}"]

    with pytest.raises(ValueError, match="no pipeline 'pref'"):
        main(["--pipeline=pref", "--env=test", *place])


def test_shipped_settings_are_read(project_path: Path) -> None:
    settings = read_settings(project_path / "conf" / "airflow" / "airflow.yml")

    assert settings.schedule is None
    assert settings.pools == dict.fromkeys(("evaluation", "http_load"), "rightfit_timing")
    settings.check_stages({"training", "evaluation", "http_load"})


def test_wrong_settings_are_named(project_path: Path, tmp_path: Path) -> None:
    text = (project_path / "conf" / "airflow" / "airflow.yml").read_text()
    wrong = tmp_path / "airflow.yml"
    wrong.write_text(text.replace("retries: 2", "retries: -1").replace("catchup:", "catch_up:"))

    with pytest.raises(ValueError, match=r"(?s)catchup.*retries.*catch_up"):
        read_settings(wrong)


def test_unknown_stages_are_named(project_path: Path) -> None:
    settings = read_settings(project_path / "conf" / "airflow" / "airflow.yml")

    with pytest.raises(ValueError, match=r"name the stages \['evaluation', 'http_load'\]"):
        settings.check_stages({"training"})


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
    whole = {"ranking", "http_load", "reporting"}
    assert set(names) >= whole
    assert len(names) == 2 * n_datasets + n_searches + len(whole)
    planned = [node for task in tasks for node in task.nodes]
    assert sorted(planned) == sorted(node.name for node in perf.nodes)
