"""Stopping rules: each says whether one application may let go of a trial, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rightfit.tuning.observed import ObservedTrial, Pool
from rightfit.tuning.outlook import Outlook


@dataclass(frozen=True)
class Case:
    """What an application votes on.

    Args:
        trial: As far as it went.
        application: Who votes.
        outlook: What it can expect.
        incumbent: Its highest feasible utility measured so far; -inf while there is none.
    """

    trial: ObservedTrial
    application: str
    outlook: Outlook
    incumbent: float


@dataclass(frozen=True)
class Vote:
    """Why an application lets go.

    Args:
        rule: Name of the rule.
        metric: What it looked at.
        amount: By how much the trial falls short, in the metric's unit.
        text: The reason in words.
    """

    rule: str
    metric: str
    amount: float
    text: str


class Rule(Protocol):
    """What every rule provides."""

    def learn(self, pool: Pool) -> None:
        """Take in what the search has seen so far."""

    def vote(self, case: Case) -> Vote | None:
        """Return why the application lets go, ``None`` to go on."""


class CertainViolation:
    """Let go of a trial that is certain to break one of the application's limits."""

    name = "certain_violation"

    def learn(self, pool: Pool) -> None:
        """Nothing to learn."""

    def vote(self, case: Case) -> Vote | None:
        """See :class:`Rule`."""
        violation = case.outlook.violation
        if violation is None:
            return None
        amount = abs(violation.value - violation.bound)
        text = (
            f"{violation.metric} of {violation.value:.4g} at best misses the limit of "
            f"{violation.bound:.4g}"
        )
        return Vote(self.name, violation.metric, amount, text)


class OptimisticBound:
    """Let go of a trial whose optimistic utility does not beat the incumbent by enough.

    Args:
        min_gain: Utility by which a trial must be able to beat the incumbent.
    """

    name = "optimistic_bound"

    def __init__(self, min_gain: float) -> None:
        self._min_gain = min_gain

    def learn(self, pool: Pool) -> None:
        """Nothing to learn."""

    def vote(self, case: Case) -> Vote | None:
        """See :class:`Rule`."""
        needed = case.incumbent + self._min_gain
        if case.outlook.best >= needed or np.isneginf(needed):
            return None
        text = f"utility of {case.outlook.best:.4f} at best is below {needed:.4f} needed to win"
        return Vote(self.name, "utility", needed - case.outlook.best, text)


def first_of(rules: Sequence[Rule], case: Case) -> Vote | None:
    """Return the first rule's vote that lets go."""
    return next((vote for rule in rules if (vote := rule.vote(case))), None)
