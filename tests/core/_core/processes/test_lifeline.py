from __future__ import annotations

import os
import subprocess

from rightfit._core.processes.lifeline import end_tree, list_children, list_descendants


def test_descendants_are_found_at_any_depth_and_end_together() -> None:
    command = ["sh", "-c", "sleep 60 & echo ready; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        below = list_children(shell.pid)
        found = list_descendants(os.getpid())
        end_tree(shell.pid)  # otherwise the end of the output is waited for

    assert len(below) == 1
    assert {shell.pid, *below} <= set(found)
