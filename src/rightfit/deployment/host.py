"""Which machine a measurement belongs to, where a run's tasks are spread over several."""

from __future__ import annotations

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from rightfit.ownership import is_own
from rightfit.profiling.hardware.environment import describe_environment

MEASURING_NODE = "profile_candidates"


class HostHook:
    """Hands a measuring node the fingerprint of the machine it runs on.

    A run describes its environment once. On one machine that is the same; where tasks are spread
    over hosts, the description may be another host's.
    """

    @hook_impl
    def before_node_run(self, node: Node) -> dict[str, Any] | None:
        """Replace the described environment by this machine's."""
        if not is_own(node) or node.func.__name__ != MEASURING_NODE:
            return None
        return {"environment": describe_environment()}
