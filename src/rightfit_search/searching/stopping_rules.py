"""Early stopping: the rules known by name, and rules of your own by import path."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable

from pydantic import AfterValidator

from rightfit._core.errors import RightfitError
from rightfit._core.import_path import import_by_path
from rightfit._core.spelling import suggest

if TYPE_CHECKING:  # parameters are read in every command, and few of them search
    import optuna
    from optuna.trial import FrozenTrial

PAUSING, NONE = "pausing", "none"
STOPPING_NAMES = (
    PAUSING, "median", "percentile", "successive_halving", "hyperband", "patient", NONE
)  # fmt: skip
PATIENCE = 1  # checkpoints without a gain that "patient" forgives; each doubles the training


@runtime_checkable
class StoppingRule(Protocol):
    """A rule that stops trainings; every pruner of Optuna is one.

    After each checkpoint but the last the search asks whether the trial ends there. A class that
    is named by import path is called without arguments.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether a trial ends at its latest checkpoint.

        Args:
            study: The search of the cell; a higher value is better.
            trial: ``intermediate_values`` holds its validation quality so far, by the length of
                training in first checkpoints: 1, 2, 4 …; the latest is ``trial.last_step``.
        """


def check_stopping(name: str) -> str:
    """Check that a rule is known by name, or might be an import path.

    Raises:
        ValueError: If it is neither.

    >>> check_stopping("my_study.rules.Patience")
    'my_study.rules.Patience'
    """
    is_path = "." in name and all(part.isidentifier() for part in name.split("."))
    if name in STOPPING_NAMES or is_path:
        return name
    raise ValueError(
        f"must be one of {', '.join(STOPPING_NAMES)}, or the import path of a class with "
        f"prune(study, trial), as in my_study.rules.Patience, but got {name!r}"
        f"{suggest(name, STOPPING_NAMES)}"
    )


Stopping = Annotated[str, AfterValidator(check_stopping)]
"""A rule's name, or its import path."""


def import_rule(path: str) -> StoppingRule:
    """Return the stopping rule at an import path: an object, or a class, which is called.

    Raises:
        ValueError: If there is none.
    """
    return build_rule(import_by_path(path, kind="stopping rule", key="early_stopping"), path)


def build_rule(rule_or_class: object, path: str) -> StoppingRule:
    """Return the stopping rule that an object is, or that a class makes.

    Raises:
        RightfitError: If it is none; ``path`` names it.
    """
    try:
        rule = rule_or_class() if isinstance(rule_or_class, type) else rule_or_class
    except TypeError as err:
        raise RightfitError(
            f"The stopping rule {path} can't be made without arguments: {err}. Name a class of "
            "yours that hands them over."
        ) from err
    if not isinstance(rule, StoppingRule):
        raise RightfitError(
            f"The stopping rule {path} has no method prune(study, trial); see "
            "rightfit.StoppingRule."
        )
    return rule


def resource_at(checkpoint: int) -> int:
    """Return a checkpoint's length of training in first looks: they double from each to the next.

    Optuna's pruners compare and halve by the resource spent, so it is what they are told.

    >>> [resource_at(checkpoint) for checkpoint in (1, 2, 3, 4)]
    [1, 2, 4, 8]
    """
    return int(2 ** (checkpoint - 1))


def make_pruner(stopping: str, *, n_startup_trials: int, last_resource: int) -> StoppingRule:
    """Make the rule that a study asks.

    Args:
        stopping: Name or import path of the rule.
        n_startup_trials: Complete trials needed before a stop by rank.
        last_resource: Length of a whole training in first checkpoints.

    Raises:
        ValueError: If there is no rule at the import path.
    """
    import optuna
    from optuna import pruners

    if stopping == "median":
        return pruners.MedianPruner(n_startup_trials=n_startup_trials)
    if stopping == "percentile":
        return pruners.PercentilePruner(25.0, n_startup_trials=n_startup_trials)
    if stopping == "successive_halving":
        return pruners.SuccessiveHalvingPruner(min_resource=1)
    if stopping == "hyperband":
        return pruners.HyperbandPruner(1, last_resource)
    if stopping == "patient":
        with warnings.catch_warnings():  # it has been called experimental since Optuna 2.8
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return pruners.PatientPruner(None, patience=PATIENCE)
    return pruners.NopPruner() if stopping in (PAUSING, NONE) else import_rule(stopping)
