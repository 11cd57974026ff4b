"""Write the Airflow DAG of a pipeline: ``make airflow``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jinja2

PROJECT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("airflow_dag.py.j2")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Generate the DAG and return its file."""
    chosen = _parse(arguments)
    dag = render_dag(chosen.pipeline, chosen.env, chosen.settings, chosen.conf_source)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path: Path = chosen.out / f"{_package()}_{chosen.pipeline}.py"
    path.write_text(dag, encoding="utf-8")
    sys.stdout.write(f"{path}\n")
    return path


def render_dag(pipeline: str, env: str, settings_file: Path, conf_source: Path) -> str:
    """Return the DAG's source.

    Args:
        pipeline: Name of the registered pipeline.
        env: Kedro environment whose grid says which cells there are.
        settings_file: The DAG's settings.
        conf_source: Folder of the configuration.

    Raises:
        ValueError: If the settings or the pipeline cannot be turned into tasks.
    """
    from rightfit.deployment.dag_settings import read_settings
    from rightfit.deployment.task_plan import find_stages, plan_tasks

    settings = read_settings(settings_file)
    registered = _load_pipelines(env, conf_source)
    if pipeline not in registered:
        raise ValueError(f"There is no pipeline {pipeline!r}, but {sorted(registered)}.")
    stages = find_stages(pipeline, registered)
    settings.check_stages(set(stages))

    def place(stage: str) -> dict[str, str]:
        chosen = {"pool": settings.pools.get(stage), "queue": settings.queues.get(stage)}
        return {key: value for key, value in chosen.items() if value is not None}

    # what is rendered is Python, not HTML
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    environment.filters["py"] = repr
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        dag_id=f"{_package()}-{pipeline}".replace("_", "-"),
        package=_package(),
        pipeline=pipeline,
        env=env,
        settings=settings,
        tasks=plan_tasks(registered[pipeline], stages, alone=settings.alone),
        place=place,
    )


def _load_pipelines(env: str, conf_source: Path):  # type: ignore[no-untyped-def]
    from kedro.framework.project import pipelines
    from kedro.framework.session import KedroServiceSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(PROJECT)
    with KedroServiceSession.create(
        project_path=PROJECT, env=env, conf_source=str(conf_source)
    ) as session:
        session.load_context()  # hands the grid to the pipelines
        return {name: pipelines[name] for name in pipelines if name != "__default__"}


def _package() -> str:
    import rightfit

    return rightfit.__name__


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", required=True, help="a registered pipeline")
    parser.add_argument("--env", required=True, help="Kedro environment")
    parser.add_argument("--settings", required=True, type=Path, help="the DAG's settings (YAML)")
    parser.add_argument("--out", required=True, type=Path, help="folder for the DAG")
    parser.add_argument("--conf-source", type=Path, default=PROJECT / "conf")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
    main()
