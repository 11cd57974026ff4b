"""Recordings as they would have looked on other validation rows.

In a replay the recorded quality counts as the truth. In a search it is an estimate from some
hundreds or thousands of rows, and the best of many estimates is a lucky one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rightfit.tuning.experiment.recorded import RecordedCell, RecordedTrial
from rightfit.tuning.judge.observed import Seen


def validate_again(
    cell: RecordedCell, luck: float, rng: np.random.Generator, *, is_known: bool
) -> RecordedCell:
    """Add to each trial's quality a luck that is the same at all of its looks.

    A trial is validated on the same rows at every checkpoint, so its luck stays with it.

    Args:
        cell: Recordings whose qualities are the truth.
        luck: Its standard deviation.
        rng: Draws it.
        is_known: Whether the looks know that deviation as their error.
    """
    error = luck if is_known else 0.0
    return replace(
        cell, trials=[_shift(t, float(rng.normal(0.0, luck)), error) for t in cell.trials]
    )


def _shift(recorded: RecordedTrial, by: float, error: float) -> RecordedTrial:
    looks = tuple(_shift_look(look, by, error) for look in recorded.trial.looks)
    return replace(recorded, trial=replace(recorded.trial, looks=looks))


def _shift_look(look: Seen, by: float, error: float) -> Seen:
    if look.quality is None:
        return look
    quality = float(np.clip(look.quality + by, 0.0, 1.0))
    return replace(look, quality=quality, quality_error=error)
