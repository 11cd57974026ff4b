"""What a trial is worth to an application, as one number that orders any two of them."""

from __future__ import annotations

import numpy as np

from rightfit.tuning.judge.judge import Judge
from rightfit.tuning.judge.observed import ObservedTrial

UNKNOWN = -1e9  # nothing of it can be measured


def appraise(judge: Judge, trial: ObservedTrial, application: str) -> float:
    """Return a trial's expected final utility to an application, or how far it is from feasible.

    Args:
        judge: Knows the search so far.
        trial: As far as it went; of a measured model what was measured counts.
        application: Who looks.

    Returns:
        A utility in [0, 1] for what may be feasible; else -1 less the share by which the limit
        broken by the least is broken. So TPE's order is feasible first, then by violation, as it
        is with Optuna's own constraints.
    """
    outlook = judge.look_ahead(trial, application)
    if not np.isnan(outlook.expected):
        return outlook.expected
    violation = outlook.violation
    if violation is None or not np.isfinite(violation.value):
        return UNKNOWN
    return -1.0 - abs(violation.value - violation.bound) / (abs(violation.bound) or 1.0)
