"""The generated DAG in a real Airflow: once within its test command, once with all services."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import sqlalchemy
from harness.airflow import (
    HOW_TO_INSTALL,
    PROJECT,
    Api,
    Deployment,
    deploy,
    find_airflow,
    free_port,
    package_project,
    wait_for,
)
from harness.postgres import HOW_TO_INSTALL as HOW_TO_INSTALL_POSTGRES
from harness.postgres import find_postgres, running_postgres

from rightfit_kedro.airflow.task_run import version_of

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.whole, pytest.mark.long]

DAG = "/dags/rightfit-project-perf"
N_TASKS = 6  # dataset, search, measuring, ranking, load, reporting
N_TIMED = 2  # measuring and load


@pytest.fixture(scope="module")
def programs() -> Path:
    found = find_airflow()
    if found is None:
        give_up(HOW_TO_INSTALL)
    return found


def give_up(reason: str) -> None:
    if os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def dist(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_project(tmp_path_factory.mktemp("package"), shrink)


def shrink(conf: Path) -> None:
    """Give the environment ``airflow`` the tests' budgets, one cell, and quick retries."""
    for parameters in (conf / "test").glob("parameters_*.yml"):
        shutil.copy(parameters, conf / "airflow")
    grid = {"grid": {"datasets": ["landsat"], "models": ["linear"]}}
    (conf / "airflow" / "parameters_grid.yml").write_text(json.dumps(grid))
    settings = conf / "airflow" / "airflow.yml"
    text = settings.read_text()
    for old, new in (
        ("retry_delay_s: 60", "retry_delay_s: 1"),
        ("active_runs: 1", "active_runs: 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    settings.write_text(text)


def versions(paths: Iterator[Path] | list[Path]) -> set[str]:
    """Version folders among some paths."""
    return {part for path in paths for part in path.parts if part.startswith("20") and "Z" in part}


def test_test_command_ends_well_with_all_data_in_an_object_store(
    programs: Path, dist: Path, tmp_path: Path
) -> None:
    if not (programs / "moto_server").exists():
        give_up(HOW_TO_INSTALL)
    port = free_port()
    deployment = deploy(
        programs,
        dist,
        tmp_path,
        RIGHTFIT_DATA_ROOT="s3://study/here",
        RIGHTFIT_STUDIES_URL=f"sqlite:///{tmp_path}/studies.db",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="any",
        AWS_SECRET_ACCESS_KEY="any",  # noqa: S106 - moto takes any
        AWS_DEFAULT_REGION="us-east-1",
    )
    with deployment.serving("moto_server", "-H", "127.0.0.1", f"-p{port}"):
        wait_for("object store", lambda: in_store(deployment, "fs.mkdir('study') or 1"), every_s=1)
        raw = PROJECT / "data" / "01_raw" / "landsat.parquet"
        in_store(deployment, f"fs.put({str(raw)!r}, 'study/here/01_raw/landsat.parquet')")
        deployment.run("airflow", "db", "migrate")

        deployment.run("airflow", "dags", "test", "rightfit-project-perf")

        stored = [Path(path) for path in in_store(deployment, "fs.find('study/here')")]
    assert len(versions(stored)) == 1
    assert {path.name for path in stored} >= {"data_card.json", "bundle.json", "report.html"}
    local = tmp_path / "project" / "data"
    assert sorted(path.name for path in local.iterdir()) == [
        "01_raw",
        "06_models",
        "07_model_output",
    ]
    assert [path.name for path in (local / "06_models").iterdir()] == ["studies"]
    kept = sorted(path.name for path in (local / "07_model_output").iterdir())
    assert kept == ["measurements", "records"]


def in_store(deployment: Deployment, expression: str) -> Any:
    code = f"import fsspec, json; fs = fsspec.filesystem('s3'); print(json.dumps({expression}))"
    try:
        return json.loads(deployment.run("python", "-c", code))
    except AssertionError as err:
        raise ConnectionError(str(err)) from err


@pytest.fixture
def services(programs: Path, dist: Path, tmp_path: Path) -> Iterator[tuple[Deployment, Api]]:
    """API server, scheduler, DAG processor and LocalExecutor on PostgreSQL."""
    if find_postgres() is None:
        give_up(HOW_TO_INSTALL_POSTGRES)
    port = free_port()
    with running_postgres("studies") as studies_url, contextlib.ExitStack() as running:
        deployment = deploy(
            programs,
            dist,
            tmp_path,
            RIGHTFIT_STUDIES_URL=studies_url,
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=studies_url.replace("/studies", "/postgres"),
            AIRFLOW__CORE__EXECUTOR="LocalExecutor",
            AIRFLOW__CORE__PARALLELISM="2",
            AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME="0.5",
            # an ended process may be noticed only at the next heartbeat
            AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="1",
            AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="False",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
            AIRFLOW__API__WORKERS="1",
            AIRFLOW__API_AUTH__JWT_SECRET="for-this-test-only-" + "x" * 64,
            AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=str(free_port()),
        )
        deployment.run("airflow", "db", "migrate")
        deployment.run("airflow", "pools", "set", "rightfit_timing", "1", "timing")
        running.enter_context(
            deployment.serving("airflow", "api-server", "--host=127.0.0.1", f"--port={port}")
        )
        running.enter_context(deployment.serving("airflow", "dag-processor"))
        running.enter_context(deployment.serving("airflow", "scheduler"))
        api = Api(port)
        wait_for("DAG", lambda: api.get(DAG), every_s=0.5)
        yield deployment, api


HOLDERS = sqlalchemy.text(
    "SELECT client_port FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE granted AND "
    "locktype = 'advisory' AND datname = current_database() AND EXISTS "
    "(SELECT 1 FROM trials WHERE state = 'RUNNING')"
)


def kill_a_search(studies: sqlalchemy.Engine) -> int | None:
    """Kill the process that holds the lock of a search with a running trial; return its id."""
    try:
        with studies.connect() as connection:
            ports = set(connection.execute(HOLDERS).scalars())
    except sqlalchemy.exc.ProgrammingError:  # no search has begun yet
        return None
    for process in psutil.process_iter() if ports else ():
        with contextlib.suppress(psutil.Error):
            if any(opened.laddr.port in ports for opened in process.net_connections("tcp")):
                os.kill(process.pid, signal.SIGKILL)
                return process.pid
    return None


def finished_run(api: Api, run_id: str) -> dict[str, Any] | None:
    run = api.get(f"{DAG}/dagRuns/{run_id}")
    return run if run["state"] in ("success", "failed") else None


def test_two_runs_at_once_end_well_although_a_task_is_killed(
    services: tuple[Deployment, Api],
) -> None:
    deployment, api = services
    data = deployment.folder / "project" / "data"
    studies = sqlalchemy.create_engine(deployment.environment["RIGHTFIT_STUDIES_URL"])
    for run_id in ("first", "second"):
        api.post(f"{DAG}/dagRuns", {"dag_run_id": run_id, "logical_date": None})
    wait_for("trial to interrupt", lambda: kill_a_search(studies), every_s=0.05)
    studies.dispose()
    runs = {
        run_id: wait_for(f"end of {run_id}", lambda: finished_run(api, run_id), every_s=2)  # noqa: B023
        for run_id in ("first", "second")
    }
    tasks = [
        task
        for run_id in runs
        for task in api.get(f"{DAG}/dagRuns/{run_id}/taskInstances?limit=100")["task_instances"]
    ]

    assert {run["state"] for run in runs.values()} == {"success"}
    assert len(tasks) == 2 * N_TASKS
    retried = [task["task_id"] for task in tasks if task["try_number"] == 2]
    assert len(retried) == 1
    assert retried[0].startswith("training.landsat.")
    assert_never_two_at_once([task for task in tasks if task["pool"] == "rightfit_timing"])
    ours = {version_of(run_id, moment(run["run_after"])) for run_id, run in runs.items()}
    assert len(ours) == 2
    assert_each_result_has(ours, data)
    assert_no_trial_is_lost_or_double(data, ours)
    assert_plain_run_ranks_the_same(deployment, max(ours))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def assert_never_two_at_once(tasks: list[dict[str, Any]]) -> None:
    spans = sorted((moment(task["start_date"]), moment(task["end_date"])) for task in tasks)
    assert len(spans) == 2 * N_TIMED
    for (_, end), (start, _) in pairwise(spans):
        assert end <= start


def assert_each_result_has(expected: set[str], data: Path) -> None:
    names = {path.parent for path in data.rglob("20*Z-*")}
    assert len(names) > 20
    for name in names:
        assert {path.name for path in name.iterdir()} == expected, name


def assert_no_trial_is_lost_or_double(data: Path, expected: set[str]) -> None:
    for version in expected:
        folder = data / "07_model_output" / "landsat" / "linear" / "trials.parquet" / version
        trials = pl.read_parquet(folder / "trials.parquet")
        finished = trials.filter(pl.col("state") != "failed")
        assert finished["number"].is_unique().all()
        assert finished["params"].is_unique().all()
        assert len(finished) == 3


def assert_plain_run_ranks_the_same(deployment: Deployment, version: str) -> None:
    of_the_dag = pl.read_parquet(deployment.rankings(version))
    before = {path.name for path in deployment.rankings(version).parents[1].iterdir()}

    deployment.run(
        *("python", "-m", "rightfit", "--pipelines", "ranking", "--env", "airflow"),
        *("--conf-source", deployment.environment["RIGHTFIT_CONF_SOURCE"]),
    )

    (again,) = {path.name for path in deployment.rankings(version).parents[1].iterdir()} - before
    assert pl.read_parquet(deployment.rankings(again)).equals(of_the_dag)
