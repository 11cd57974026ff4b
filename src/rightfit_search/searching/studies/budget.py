"""When a search has spent what it was given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial

from rightfit.measuring.worker.units import NS_PER_S
from rightfit_search.searching.studies.trial_attributes import (
    CURVE,
    GAINED,
    Spent,
    is_finished,
)

# Of the budget, that a search may really take: it is as repeatable as this is rarely reached.
GUARD = 3.0

MARGIN = 0.1  # of a call's limit, that searching leaves for decisions and for judging
LAST_TOLERANCE = 0.03  # of a call's limit, by which its last trainings may exceed it


class CallLimit:
    """CPU and wall seconds that a whole call may really take, shared by all its searches.

    CPU seconds of this process count from here on; those of others count once they are charged.
    What final trainings will take, and the winner's last one on all rows, is kept free of searching
    as far as there is room for it.

    Args:
        cpu_s: CPU seconds of all processes; ``None``: no limit.
        wall_s: Wall seconds from here on; ``None``: no limit.
        cpu_clock_ns: CPU time of this process.
        clock_ns: Monotonic clock.

    Attributes:
        refit_growth: Rows of the winner's last training for each row of a final one; 0: there is
            none.
    """

    def __init__(
        self,
        cpu_s: float | None,
        wall_s: float | None = None,
        *,
        cpu_clock_ns: Callable[[], int] = time.process_time_ns,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.cpu_s, self.wall_s, self.refit_growth = cpu_s, wall_s, 0.0
        self._cpu_clock_ns, self._clock_ns = cpu_clock_ns, clock_ns
        self._begun_cpu_ns, self._begun_ns = cpu_clock_ns(), clock_ns()
        self._elsewhere_s = 0.0
        self._underway_s: dict[tuple[str, int], float] = {}  # expected, by search and trial
        self._finals_s: dict[str, float] = {}  # by search
        self._refits_s: dict[str, tuple[float, float]] = {}  # with the quality, by search

    @property
    def spent_cpu_s(self) -> float:
        """CPU seconds so far."""
        return (self._cpu_clock_ns() - self._begun_cpu_ns) / NS_PER_S + self._elsewhere_s

    @property
    def left_wall_s(self) -> float | None:
        """Wall seconds that are left."""
        if self.wall_s is None:
            return None
        return self.wall_s - (self._clock_ns() - self._begun_ns) / NS_PER_S

    def charge(self, cpu_s: float) -> None:
        """Add CPU seconds that another process has taken."""
        self._elsewhere_s += cpu_s

    def begin(self, search: str, number: int, expected_s: float) -> None:
        """Note that a worker has a step of a trial, and what it is expected to take."""
        self._underway_s[search, number] = expected_s

    def end(self, search: str, number: int) -> None:
        """Note that a step is over."""
        self._underway_s.pop((search, number), None)

    def reserve(self, search: str, final_s: float, *, refit_s: float, quality_raw: float) -> None:
        """Keep free what a search's best model takes at last, and the winner's training after it.

        Args:
            search: Its name.
            final_s: CPU seconds of its final training; 0: there is none.
            refit_s: CPU seconds of its training on all rows; 0: there is none.
            quality_raw: Its validation quality: the best of all searches is taken for the winner.
        """
        self._finals_s[search] = final_s
        self._refits_s[search] = (quality_raw, refit_s)

    def release_final(self, search: str) -> None:
        """Keep nothing free for a search's final training any more."""
        self._finals_s.pop(search, None)

    def left_s(self) -> float:
        """Return the seconds that are left; at most 0 once the call has to end."""
        cpu_s = math.inf if self.cpu_s is None else self.cpu_s - self.spent_cpu_s
        wall_s = self.left_wall_s
        return cpu_s if wall_s is None else min(cpu_s, wall_s)

    @property
    def _lower_s(self) -> float:
        """The lower of the two limits."""
        return min(self.cpu_s or math.inf, self.wall_s or math.inf)

    def left_for_searching_s(self) -> float:
        """Return the seconds that another step of a training may take."""
        return self._keep_free(self.left_s(), self._finals_s) - MARGIN * self._lower_s

    def left_for_final_s(self, search: str) -> float:
        """Return the seconds that a search's final training may take."""
        others_s = {name: final_s for name, final_s in self._finals_s.items() if name != search}
        return self._keep_free(self.left_s(), others_s)

    def left_for_last_s(self) -> float:
        """Return the seconds that a winner's training on all rows may take, after all else."""
        return self.left_s() + LAST_TOLERANCE * self._lower_s

    def _keep_free(self, left_s: float, finals_s: Mapping[str, float]) -> float:
        """Take off steps underway, and each last training that the rest has room for."""
        left_s -= sum(self._underway_s.values())
        _, refit_s = max(self._refits_s.values(), default=(0.0, 0.0))
        for training_s in (refit_s, *sorted(finals_s.values())):
            if training_s <= left_s:
                left_s -= training_s
        return left_s


@dataclass(frozen=True)
class Budget:
    """What a search may spend over all its runs and workers; ``None`` for no limit.

    Args:
        n_trials: Finished trials.
        cpu_s: CPU seconds that training and validating usually take (``pausing/costs.py``). They
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


def measure_pace(trials: Sequence[FrozenTrial]) -> float:
    """Return the usual CPU seconds of trials for each that they took; 1 where nothing tells."""
    work_s, cpu_s = spent_work_s(trials), spent_cpu_s(trials)
    return work_s / cpu_s if work_s and cpu_s else 1.0


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
