"""What a trial's record in the study holds: its user attributes."""

from collections.abc import Mapping
from typing import Any

CONFIGURATION = "configuration"  # all settings, fixed ones included
ASKED_BY = "asked_by"  # application that asked for it
UNTRAINED = "untrained"  # structure of the finished model, where it is known before any training
CURVE = "curve"  # what was measured at each checkpoint
GAINED = "gained"  # whose best trial so far it is: ["quality"]
STOP_CHECKPOINT = "stop_checkpoint"  # where a trial that did not go on was paused
STOPPED_BY = "stopped_by"  # application that let it go last
SPANS = "spans"  # when workers worked on it, as pairs of seconds since the epoch
COMPUTE_S = "compute_s"  # CPU seconds of all work on it, deciding included
DECIDING_S = "deciding_s"  # CPU seconds of the decision that led to its latest step, all added up


def read_work_s(point: Mapping[str, Any]) -> float:
    """Return the CPU seconds that training up to a point of a curve usually takes.

    Studies of before budgets counted work hold what it took.
    """
    taken_s = point["fit_cpu_s"] + point["validate_cpu_s"]
    return float(point.get("work_s", taken_s))
