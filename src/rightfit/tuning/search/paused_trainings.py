"""Trainings that wait in memory until their trials go on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

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
        self._kept: OrderedDict[tuple[int, int], tuple[Iterator[Look], Look]] = OrderedDict()

    def keep(self, number: int, n_looks: int, training: Iterator[Look], look: Look) -> None:
        """Keep a trial's training after so many looks, the latest of them given."""
        self._kept[number, n_looks] = (training, look)
        while self._kept and (
            len(self._kept) > MAX_KEPT
            or sum(one.kept_mib for _, one in self._kept.values()) > self._cap_mib
        ):
            self._kept.popitem(last=False)

    def take(self, number: int, n_looks: int) -> Iterator[Look] | None:
        """Take a trial's training out; ``None`` if it is not kept or another worker has gone on."""
        training, _ = self._kept.pop((number, n_looks), (None, None))
        return training

    def look_at(self, number: int, n_looks: int) -> Look | None:
        """Return a kept training's latest look; ``None`` if it is not kept."""
        _, look = self._kept.get((number, n_looks), (None, None))
        return look

    def clear(self) -> None:
        """Drop all of them."""
        self._kept.clear()
