"""When a search has spent what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.tuning.studies.study_store import STOP_REASON
from rightfit.tuning.studies.trial_attributes import GAINED


@dataclass(frozen=True)
class Budget:
    """What a search may spend over all its runs and workers; ``None`` for no limit.

    Args:
        n_trials: Finished trials.
        cpu_s: CPU seconds of the finished trials. They hardly depend on what else the machine does.
        wall_s: Wall seconds in which at least one trial ran. They depend on the machine's load.
        patience: Finished trials in a row without a gain: no application's best became better.
    """

    n_trials: int | None
    cpu_s: float | None
    wall_s: float | None
    patience: int | None = None

    def allows_another(
        self, finished: Sequence[FrozenTrial], running: Sequence[FrozenTrial], *, now: datetime
    ) -> bool:
        """Say whether one more trial may start.

        Args:
            finished: Trials that ended by themselves.
            running: Trials that some worker is training.
            now: The local time, as Optuna notes it.

        Returns:
            Whether every limit leaves room. A running trial already counts as one of ``n_trials``;
            what it will cost in seconds nobody knows, so the other limits may be exceeded by the
            trials that run when they are reached.
        """
        if self.n_trials is not None and len(finished) + len(running) >= self.n_trials:
            return False
        if self.cpu_s is not None and spent_cpu_s(finished) >= self.cpu_s:
            return False
        if self.patience is not None and count_without_gain(finished) >= self.patience:
            return False
        spent_s = spent_wall_s([*finished, *running], now=now)
        return self.wall_s is None or spent_s < self.wall_s


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended by themselves, see :func:`is_finished`."""
    return [trial for trial in study.get_trials(deepcopy=False) if is_finished(trial)]


def is_finished(trial: FrozenTrial) -> bool:
    """Say whether a trial ended by itself: complete, stopped or failed while training.

    A failed trial without a reason was interrupted from outside and says nothing.
    """
    if trial.state == TrialState.FAIL:
        return STOP_REASON in trial.user_attrs
    return trial.state.is_finished()


def spent_cpu_s(trials: Sequence[FrozenTrial]) -> float:
    """Return the CPU seconds of trials, all threads together."""
    return float(sum(trial.user_attrs.get("compute_s", 0.0) for trial in trials))


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

    Args:
        trials: Finished and running trials.
        now: The end so far of those that still run.
    """
    spans = sorted(
        (trial.datetime_start, trial.datetime_complete or now)
        for trial in trials
        if trial.datetime_start is not None
    )
    spent_s = 0.0
    reached = datetime.min
    for start, end in spans:
        spent_s += max(0.0, (end - max(start, reached)).total_seconds())
        reached = max(reached, end)
    return spent_s
