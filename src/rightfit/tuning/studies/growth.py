"""Projecting what a checkpoint shows to the end of the training.

An intermediate forest looks cheap: what grows with training is judged by its final value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightfit.tuning.search.fit_meter import FIT_COLUMNS


def project_fit(point: Mapping[str, Any], *, ratio: float) -> dict[str, float | None]:
    """Project fit metrics to the end of a training: its time grows with its steps.

    Args:
        point: Fit metrics so far by column.
        ratio: Steps of the whole training for each step taken.
    """
    fit = {column: point.get(column) for column in FIT_COLUMNS}
    if fit["fit_time_s"] is not None:
        fit["fit_time_s"] *= ratio
    return fit


def project_structure(
    structure: Mapping[str, float] | None, *, growth: str, ratio: float
) -> Mapping[str, float] | None:
    """Project counts to the end of a training.

    Args:
        structure: Counts so far.
        growth: ``constant``, or ``affine`` in the steps taken.
        ratio: Steps of the whole training for each step taken.
    """
    if structure is None or growth == "constant":
        return structure
    return {name: count * ratio for name, count in structure.items()}
