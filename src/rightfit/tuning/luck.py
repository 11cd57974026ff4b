"""Recordings as they would have looked on other validation rows.

In a replay the recorded quality counts as the truth. In a search it is an estimate from some
hundreds or thousands of rows, and the best of many estimates is a lucky one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rightfit.tuning.observed import Seen
from rightfit.tuning.replay import RecordedCell, RecordedTrial

MAX_QUALITY = 1 - 1e-4


def validate_again(cell: RecordedCell, error: float, rng: np.random.Generator) -> RecordedCell:
    """Add to each trial's quality a luck that is the same at all of its looks.

    A trial is validated on the same rows at every checkpoint, so its luck stays with it.

    Args:
        cell: Recordings whose qualities are the truth.
        error: Standard deviation of the luck; the looks know it as their error.
        rng: Draws it.
    """
    return replace(
        cell, trials=[_shift(t, float(rng.normal(0.0, error)), error) for t in cell.trials]
    )


def _shift(recorded: RecordedTrial, luck: float, error: float) -> RecordedTrial:
    looks = tuple(_shift_look(look, luck, error) for look in recorded.trial.looks)
    return replace(recorded, trial=replace(recorded.trial, looks=looks))


def _shift_look(look: Seen, luck: float, error: float) -> Seen:
    if look.quality is None:
        return look
    quality = float(np.clip(look.quality + luck, 0.0, MAX_QUALITY))
    return replace(look, quality=quality, quality_error=error)
