"""CPU seconds of a process and all that it has started, whoever waits for them."""

from __future__ import annotations

import math
import subprocess
import time

import psutil

LOOK_S = 0.1


def count_cpu_s(process: subprocess.Popen[str], *, max_wall_s: float = math.inf) -> float:
    """Wait for a process, and kill it after so many wall seconds.

    CPU seconds are looked up ten times a second, so those of processes that live shorter are
    missed.

    Returns:
        CPU seconds of the process and its descendants.
    """
    taken_s: dict[tuple[int, float], float] = {}
    seen = {process.pid: psutil.Process(process.pid)}
    begun_s = time.monotonic()
    while process.poll() is None:
        for parent in list(seen.values()):
            try:
                seen |= {child.pid: child for child in parent.children(recursive=True)}
                times = parent.cpu_times()
                taken_s[parent.pid, parent.create_time()] = times.user + times.system
            except psutil.Error:
                del seen[parent.pid]
        if time.monotonic() - begun_s > max_wall_s:
            process.kill()
        time.sleep(LOOK_S)
    return sum(taken_s.values())
