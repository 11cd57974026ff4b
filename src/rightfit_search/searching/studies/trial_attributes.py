"""What a trial's record in the study holds: its user attributes, and what they say of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

CONFIGURATION = "configuration"  # all settings, fixed ones included
INDEX = "index"  # the configuration's place in the search, from 0; it seeds the sampler
ASKED_BY = "asked_by"  # application that asked for it
SHORTENED = "shortened"  # whether it is the default at the length that the budget holds
UNDERWAY = "underway"  # the step that a worker has: checkpoints passed, machine; None: nobody has
DEATHS = "deaths"  # checkpoints passed; how often a worker or a machine died in the step after them
CURVE = "curve"  # what was measured at each checkpoint, see ``Look.point``
GAINED = "gained"  # whose best trial so far it is: ["quality"]
STOP_CHECKPOINT = "stop_checkpoint"  # where a trial that did not go on was paused
STOPPED_BY = "stopped_by"  # application that let it go last
SPENT = "spent"  # what all work on it took, see Spent: in its last checkpoint, or beside a failure
STOP_RULE = "stop_rule"  # name of the rule that stopped it
STOP_REASON = "stop_reason"  # why it was stopped, failed or was cut short
MODEL_SIZE_MIB = "model_size_mib"  # of the kept model's files


@dataclass(frozen=True)
class Spent:
    """What all work on a trial took, in all its steps.

    Args:
        compute_s: CPU seconds, deciding included.
        deciding_s: CPU seconds of the decisions that led to its steps.
        spans: When workers worked on it, as pairs of seconds since the epoch.
    """

    compute_s: float = 0.0
    deciding_s: float = 0.0
    spans: Sequence[Sequence[float]] = ()

    @classmethod
    def of(cls, trial: FrozenTrial) -> Spent:
        """Read it from a trial's record: of two notes of it, the later one."""
        notes = (trial.user_attrs, *trial.user_attrs.get(CURVE, [])[-1:])
        records = [cls(**note[SPENT]) for note in notes if SPENT in note]
        return max(records, key=lambda spent: spent.compute_s, default=cls())


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


def is_begun(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts: it runs, is paused, or ended by itself."""
    return trial.state == TrialState.RUNNING or is_finished(trial)


def is_underway(trial: FrozenTrial) -> bool:
    """Tell whether a worker has the trial's next step, or had it when its run ended."""
    mark = trial.user_attrs.get(UNDERWAY)
    return mark is not None and mark[0] == len(trial.user_attrs.get(CURVE, ()))


def configuration_index(trial: FrozenTrial) -> int | None:
    """Return the index of a trial's configuration; ``None`` if a search did not begin it."""
    return trial.user_attrs.get(INDEX)


def is_shortened(trial: FrozenTrial) -> bool:
    """Tell whether a trial is the family's default at the length that the budget holds."""
    return SHORTENED in trial.user_attrs


def first_free_index(trials: Sequence[FrozenTrial]) -> int:
    """Return the index of the configuration that comes next."""
    indices = {configuration_index(trial) for trial in trials}
    return next(index for index in itertools.count() if index not in indices)
