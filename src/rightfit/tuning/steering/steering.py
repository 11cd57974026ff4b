"""What steers a running search: the next configuration, when to stop, what to keep of a model.

A *steering* lives as long as a worker works on a search; it has a *referee* follow each trial.
This module steers by validation quality alone, with Optuna's samplers and pruners;
``application_steering`` looks at what the applications want.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

import optuna
from optuna.trial import TrialState

from rightfit.families.bundle import Bundle
from rightfit.tuning.judge.stopping_rules import Vote
from rightfit.tuning.search.learning_curve import Json
from rightfit.tuning.studies.trial_attributes import GAINED


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        params: Values of the searched hyper-parameters.
        asked_by: Application that asks for it.
    """

    params: Mapping[str, Any]
    asked_by: str


@dataclass(frozen=True)
class Stop:
    """Why a trial ends early.

    Args:
        checkpoint: 0 for before any training.
        reason: In words, the rule first.
        votes: Why each application let go; empty where quality alone decides.
    """

    checkpoint: int
    reason: str
    votes: Mapping[str, Vote] = field(default_factory=dict)


class Referee(Protocol):
    """Follows one trial."""

    notes: dict[str, Any]
    """What the trial's record should hold of this, by the name of the user attribute."""

    measuring_s: float
    """Seconds spent on measuring the trained model so far."""

    def look(self, curve: Sequence[Json]) -> Stop | None:
        """Say whether and why the trial should stop at its latest checkpoint.

        Args:
            curve: What was measured at its checkpoints; empty before any training.
        """

    def finish(self, bundle: Bundle) -> None:
        """Measure of a model what is worth measuring."""


class Steering(Protocol):
    """Steers a search."""

    def propose(self, draw: int) -> Proposal | None:
        """Return the configuration of a draw; ``None`` to leave it to the sampler by quality.

        Args:
            draw: The configuration's place in the search, from 0.
        """

    def follow(self, trial: optuna.Trial) -> Referee:
        """Have a trial followed."""


class QualitySteering:
    """Optuna's own ways: sample and stop by the validation quality.

    Args:
        n_checkpoints: Looks at a training.
    """

    def __init__(self, n_checkpoints: int) -> None:
        self._n_checkpoints = n_checkpoints

    def propose(self, draw: int) -> Proposal | None:  # noqa: ARG002 -- the protocol's
        """See :class:`Steering`."""
        return None

    def follow(self, trial: optuna.Trial) -> Referee:
        """See :class:`Steering`."""
        return QualityReferee(trial, self._n_checkpoints)


class QualityReferee:
    """Follows a trial with the study's pruner.

    Args:
        trial: The running trial; what its checkpoints showed is reported to it.
        n_checkpoints: Looks at its training; after the last there is nothing to stop.
    """

    measuring_s = 0.0

    def __init__(self, trial: optuna.Trial, n_checkpoints: int) -> None:
        self._trial = trial
        self._n_checkpoints = n_checkpoints
        self._last_quality = float("nan")
        self.notes: dict[str, Any] = {}

    def look(self, curve: Sequence[Json]) -> Stop | None:
        """See :class:`Referee`."""
        if not curve:
            return None
        self._last_quality = curve[-1]["quality_raw"]
        if len(curve) == self._n_checkpoints or not self._trial.should_prune():
            return None
        step = curve[-1]["checkpoint"]
        return Stop(step, _describe_pruning(self._trial.study, curve, step))

    def finish(self, bundle: Bundle) -> None:  # noqa: ARG002 -- nothing is measured
        """See :class:`Referee`."""
        complete = _complete_trials(self._trial.study)
        best = max((trial.values[0] for trial in complete), default=float("-inf"))
        if self._last_quality > best:
            self.notes[GAINED] = ["quality"]


def _describe_pruning(study: optuna.Study, curve: Sequence[Json], step: int) -> str:
    if not isinstance(study.pruner, optuna.pruners.MedianPruner):
        rule = type(study.pruner).__name__.removesuffix("Pruner")
        value = curve[-1]["quality_raw"]
        return f"{rule}: validation quality {value:.4f} at checkpoint {step} ranks too low"
    best = max(point["quality_raw"] for point in curve)
    others = [other.intermediate_values[step] for other in _complete_trials(study)]
    return (
        f"median: best validation quality {best:.4f} up to checkpoint {step} is below the median "
        f"{median(others):.4f} of {len(others)} complete trials"
    )


def _complete_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
