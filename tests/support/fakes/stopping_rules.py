"""A stopping rule of a user's own."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState


class BehindBest:
    """Ends a trial that is behind the best complete one at the same length of training."""

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = margin

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if step is None or not complete:
            return False
        best = max(other.intermediate_values[step] for other in complete)
        return trial.intermediate_values[step] < best - self.margin


class NeedsArgument:
    """Cannot be made without an argument."""

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return False


class NoRule:
    """Has nothing that stops."""
