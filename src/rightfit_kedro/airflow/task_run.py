"""Run one task of a scheduler's run, so that all its tasks together leave one version of the data.

A task may be tried again, on another host and after a kill at any point. Its earlier outputs are
discarded first, since a write that was cut off looks like a finished one; what was slow to make
(trials, measurements) is found again by its content, see ``docs/decisions/0002``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from kedro.framework.project import configure_project, pipelines
from kedro.framework.session import KedroServiceSession
from kedro.io import AbstractVersionedDataset

from rightfit._core.errors import RightfitError
from rightfit_kedro.kedro_private import delete_version
from rightfit_kedro.run import RightfitRunner

logger = logging.getLogger(__name__)

HOME = "RIGHTFIT_HOME"
CONF_SOURCE = "RIGHTFIT_CONF_SOURCE"
ENVIRONMENT = "KEDRO_ENV"
DATA_ROOT = "RIGHTFIT_DATA_ROOT"
SHARED_ROOT = "RIGHTFIT_SHARED_ROOT"

Plan = Mapping[str, Mapping[str, Iterable[str]]]
"""Tasks by name; ``nodes`` names the nodes of each."""


def version_of(run_id: str, run_after: datetime) -> str:
    """Return the data version of a scheduler's run: the same in all its tasks and tries.

    Versions sort by time, as Kedro's own do; the hash keeps two runs of the same moment apart.

    Args:
        run_id: The run's name, unique in its DAG.
        run_after: When the run was due, with its time zone.

    >>> version_of("manual__1", datetime(2026, 3, 1, 12, 30, 0, 5000, tzinfo=UTC))
    '2026-03-01T12.30.00.005Z-19b04f56'
    """
    moment = run_after.astimezone(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")[:-3]
    return f"{moment}Z-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def run_task(name: str, plan: Plan, *, package: str, pipeline: str, env: str, version: str) -> None:
    """Run a task's nodes; everything is loaded from and saved to one version.

    The project's folder and configuration come from the environment variables ``RIGHTFIT_HOME``
    and ``RIGHTFIT_CONF_SOURCE`` (a folder or the packaged archive; without it ``conf`` in the
    project's folder).

    Raises:
        ValueError: If ``RIGHTFIT_HOME`` is not set or no folder, or the plan does not fit the
            pipeline.
    """
    home = os.environ.get(HOME)
    if not home or not Path(home).is_dir():
        raise RightfitError(
            f"{HOME} must name the project's folder on every worker, but is {home!r}. Set it in "
            "the environment of the scheduler's workers, see docs/howto/airflow.md."
        )
    root = os.environ.get(DATA_ROOT, "")
    if "://" in root and not os.environ.get(SHARED_ROOT):
        raise RightfitError(
            f"{DATA_ROOT} is {root!r}, so {SHARED_ROOT} must name a folder that all workers share: "
            "searches and measurements need file locks, see docs/howto/airflow.md."
        )
    # the scheduler's own handlers must stay, or the task's log is empty
    configure_project(package, preserve_logging=True)
    session = KedroServiceSession.create(
        project_path=Path(home),
        conf_source=os.environ.get(CONF_SOURCE),
        env=os.environ.get(ENVIRONMENT, env),
    )
    with session, warnings.catch_warnings():
        # skops, when imported, asks every loaded module for names: the scheduler's complain
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"skops\.io")
        catalog = session.load_context().catalog  # builds the pipelines of this configuration
        whole = pipelines[pipeline]
        planned = {node for task in plan.values() for node in task["nodes"]}
        present = {node.name for node in whole.nodes}
        if planned != present:
            raise RightfitError(
                "The DAG was generated for another grid or version of the project: it lacks the "
                f"nodes {sorted(present - planned)} and has {sorted(planned - present)} too many. "
                "Generate it again for this configuration: make airflow AIRFLOW_ENV=<environment>."
            )
        nodes = list(plan[name]["nodes"])
        for output in sorted(whole.only_nodes(*nodes).all_outputs()):
            dataset = catalog.get(output)  # one that is not versioned stays
            if isinstance(dataset, AbstractVersionedDataset) and delete_version(dataset, version):
                logger.info(
                    "An earlier try left %s of version %s; it is made again.", output, version
                )
        session.run(
            run_id=version,
            pipeline_names=[pipeline],
            node_names=nodes,
            load_versions=dict.fromkeys(whole.all_outputs(), version),
            runner=RightfitRunner(),
        )
