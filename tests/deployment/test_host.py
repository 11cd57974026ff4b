"""Measurements belong to the machine that makes them."""

from __future__ import annotations

from pathlib import Path

from kedro.framework.project import pipelines
from kedro.framework.session import KedroServiceSession

from rightfit.deployment.host import HostHook
from rightfit.profiling.hardware.environment import describe_environment


def test_only_measuring_nodes_get_this_machine_as_their_environment(bootstrapped: Path) -> None:
    with KedroServiceSession.create(project_path=bootstrapped, env="test") as session:
        session.load_context()
        nodes = pipelines["perf"].nodes

    replaced = {node.name: HostHook().before_node_run(node) for node in nodes}

    here = {"environment": describe_environment()}
    for name, inputs in replaced.items():
        assert inputs == (here if name.endswith(".profile_candidates") else None)
