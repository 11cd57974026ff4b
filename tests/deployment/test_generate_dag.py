"""The generated DAG, as a file, and its settings: no Airflow needed."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from rightfit.deployment.generate_dag import main, read_settings

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
    assert dag_file.name == "rightfit_perf.py"
    assert dag_arguments(source)["dag_id"] == "'rightfit-perf'"


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
        "refit",
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
    assert settings.pools == dict.fromkeys(("evaluation", "refit", "http_load"), "rightfit_timing")
    settings.check_stages({"training", "evaluation", "refit", "http_load"})


def test_wrong_settings_are_named(project_path: Path, tmp_path: Path) -> None:
    text = (project_path / "conf" / "airflow" / "airflow.yml").read_text()
    wrong = tmp_path / "airflow.yml"
    wrong.write_text(text.replace("retries: 2", "retries: -1").replace("catchup:", "catch_up:"))

    with pytest.raises(ValueError, match=r"(?s)catchup.*retries.*catch_up"):
        read_settings(wrong)


def test_unknown_stages_are_named(project_path: Path) -> None:
    settings = read_settings(project_path / "conf" / "airflow" / "airflow.yml")

    with pytest.raises(ValueError, match=r"name the stages \['evaluation', 'http_load', 'refit'\]"):
        settings.check_stages({"training"})
