"""Write the Airflow DAG of a project's pipeline: ``make airflow``.

``python -m rightfit.deployment.generate_dag`` does the same in any project that uses Rightfit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import jinja2
from kedro.framework.project import pipelines, settings
from kedro.framework.session import KedroServiceSession
from kedro.framework.startup import bootstrap_project
from omegaconf import OmegaConf
from pydantic import Field, ValidationError

from rightfit.deployment.task_plan import find_stages, plan_tasks
from rightfit.errors import RightfitError
from rightfit.strict_model import MAX_COUNT, MAX_S, StrictModel

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
    dag_settings.check_stages(set(registered))  # refit may be a stage of nothing

    def place(stage: str) -> dict[str, str]:
        given = {"pool": dag_settings.pools.get(stage), "queue": dag_settings.queues.get(stage)}
        return {key: value for key, value in given.items() if value is not None}

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


if __name__ == "__main__":
    main()
