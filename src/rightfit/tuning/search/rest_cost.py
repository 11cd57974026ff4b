"""What finishing a stopped trial would have cost: an estimate from what the search has spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from optuna.trial import FrozenTrial, TrialState

from rightfit.tuning.pausing.training_costs import steps_ratio
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.studies.trial_attributes import CONFIGURATION, CURVE, DECIDING_S


@dataclass(frozen=True)
class UsualCosts:
    """What complete trials of a search cost on average.

    Args:
        training_s: CPU seconds of training and validating.
        ending_s: CPU seconds from then on: writing.
    """

    training_s: float
    ending_s: float


def usual_costs(trials: Sequence[FrozenTrial]) -> UsualCosts | None:
    """Return what complete trials cost on average; ``None`` without any."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.user_attrs.get(CURVE)]
    if not complete:
        return None
    training_s = [_spent_s(trial) for trial in complete]
    ending_s = [
        max(0.0, trial.user_attrs["compute_s"] - trial.user_attrs.get(DECIDING_S, 0.0) - spent_s)
        for trial, spent_s in zip(complete, training_s, strict=True)
    ]
    return UsualCosts(mean(training_s), mean(ending_s))


def estimate_rest_s(
    trial: FrozenTrial, cell: Cell, usual: UsualCosts, *, n_checkpoints: int
) -> float:
    """Estimate what finishing a stopped trial would have cost.

    Its training goes on at its own pace; one that had not begun is taken for a usual one. What
    follows the training costs what it usually does.

    Args:
        trial: A stopped trial.
        cell: What was searched.
        usual: What complete trials cost.
        n_checkpoints: Looks of a whole training.

    Returns:
        CPU seconds.
    """
    curve = trial.user_attrs.get(CURVE, [])
    if not curve:
        return usual.training_s + usual.ending_s
    configuration = trial.user_attrs[CONFIGURATION]
    ratio = steps_ratio(configuration, cell.family, curve[-1]["checkpoint"], n_checkpoints)
    return _spent_s(trial) * (ratio - 1) + usual.ending_s


def _spent_s(trial: FrozenTrial) -> float:
    last = trial.user_attrs[CURVE][-1]
    return float(last["fit_cpu_s"] + last["validate_cpu_s"])
