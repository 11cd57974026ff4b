"""Trainings that wait in memory until their trials go on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator

from rightfit.tuning.search.learning_curve import Look

# Each takes memory beside its model, too little to be measured and too much for a thousand trials.
MAX_KEPT = 100


class PausedTrainings:
    """The paused trainings of one worker.

    Args:
        cap_mib: What they may keep in memory together; beyond it those that waited longest are
            dropped, and start anew.
    """

    def __init__(self, cap_mib: float) -> None:
        self._cap_mib = cap_mib
        self._kept: OrderedDict[int, tuple[Iterator[Look], float]] = OrderedDict()

    def keep(self, number: int, training: Iterator[Look], kept_mib: float) -> None:
        """Keep a trial's training, which takes so much memory."""
        self._kept[number] = (training, kept_mib)
        while self._kept and (
            len(self._kept) > MAX_KEPT or sum(mib for _, mib in self._kept.values()) > self._cap_mib
        ):
            self._kept.popitem(last=False)

    def take(self, number: int) -> Iterator[Look] | None:
        """Take a trial's training out; ``None`` if it is not kept."""
        training, _ = self._kept.pop(number, (None, 0.0))
        return training

    def numbers(self) -> Collection[int]:
        """Return the numbers of the trials whose trainings are kept."""
        return self._kept.keys()

    def clear(self) -> None:
        """Drop all of them."""
        self._kept.clear()
