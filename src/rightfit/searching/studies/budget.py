"""When a search has spent what it was given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial

from rightfit.searching.studies.trial_attributes import (
    CURVE,
    GAINED,
    Spent,
    is_finished,
)

# Of the budget, that a search may really take: it is as repeatable as this is rarely reached.
GUARD = 3.0


@dataclass(frozen=True)
class Budget:
    """What a search may spend over all its runs and workers; ``None`` for no limit.

    Args:
        n_trials: Finished trials.
        cpu_s: CPU seconds that training and validating usually take (``training_costs.py``). They
            depend on nothing but what is trained. A search that really takes ``GUARD`` times as
            much ends, too.
        wall_s: Wall seconds in which at least one trial ran. They depend on the machine's load.
        patience: Finished trials in a row without a gain: the best quality did not become better.
    """

    n_trials: int | None
    cpu_s: float | None
    wall_s: float | None
    patience: int | None = None

    def allows_another(self, begun: Sequence[FrozenTrial], *, now: datetime) -> bool:
        """Say whether one more trial may start.

        Args:
            begun: Trials that run, are paused, or ended by themselves.
            now: The local time, as Optuna notes it.

        Returns:
            Whether every limit leaves room. A running trial may exceed the limits in seconds.
        """
        if self.n_trials is not None and len(begun) >= self.n_trials:
            return False
        if self.cpu_s is not None and (spent_work_s(begun) >= self.cpu_s or self.is_guarded(begun)):
            return False
        finished = [trial for trial in begun if is_finished(trial)]
        if self.patience is not None and count_without_gain(finished) >= self.patience:
            return False
        return self.wall_s is None or spent_wall_s(begun, now=now) < self.wall_s

    def left_s(self, begun: Sequence[FrozenTrial], *, now: datetime) -> float:
        """Return the seconds that a further step may take; inf without a limit."""
        cpu_s = math.inf if self.cpu_s is None else self.cpu_s - spent_work_s(begun)
        if self.is_guarded(begun):
            return 0.0
        wall_s = math.inf if self.wall_s is None else self.wall_s - spent_wall_s(begun, now=now)
        return min(cpu_s, wall_s)

    def is_guarded(self, begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether trials took so much longer than usual that the search has to end."""
        return self.cpu_s is not None and spent_cpu_s(begun) >= GUARD * self.cpu_s


def spent_work_s(trials: Sequence[FrozenTrial]) -> float:
    """Return the CPU seconds that the trials' training and validating usually take."""
    curves = [trial.user_attrs.get(CURVE) for trial in trials]
    return float(sum(curve[-1]["work_s"] for curve in curves if curve))


def spent_cpu_s(trials: Sequence[FrozenTrial]) -> float:
    """Return the CPU seconds that the trials took, all threads together."""
    return float(sum(Spent.of(trial).compute_s for trial in trials))


def count_without_gain(trials: Sequence[FrozenTrial]) -> int:
    """Return how many trials have ended since the last that was somebody's best.

    Args:
        trials: Finished trials.
    """
    ended = sorted(trials, key=lambda trial: trial.datetime_complete or datetime.min)
    n_without = 0
    for trial in ended:
        n_without = 0 if trial.user_attrs.get(GAINED) else n_without + 1
    return n_without


def spent_wall_s(trials: Sequence[FrozenTrial], *, now: datetime) -> float:
    """Return the wall seconds in which at least one of the trials ran.

    Where a trial was paused at all, the pauses do not count.

    Args:
        trials: Finished and running trials.
        now: The end so far of those that still run.
    """
    spans: list[tuple[datetime, datetime]] = []
    for trial in trials:
        worked = Spent.of(trial).spans
        spans += [
            (datetime.fromtimestamp(start), datetime.fromtimestamp(end)) for start, end in worked
        ]
        if not worked and trial.datetime_start is not None:
            spans.append((trial.datetime_start, trial.datetime_complete or now))
    spent_s = 0.0
    reached = datetime.min
    for start, end in sorted(spans):
        spent_s += max(0.0, (end - max(start, reached)).total_seconds())
        reached = max(reached, end)
    return spent_s
