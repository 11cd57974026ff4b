"""Stopping rules: each says whether one application may let go of a trial, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rightfit.tuning.judge.observed import ObservedTrial
from rightfit.tuning.judge.outlook import Outlook


@dataclass(frozen=True)
class Case:
    """What an application votes on.

    Args:
        trial: As far as it went.
        application: Who votes.
        outlook: What it can expect.
        incumbent: Its highest feasible utility measured so far; -inf while there is none.
        is_trained: Whether the training is over.
        peers: Returns what its feasible complete trials promised at the same checkpoint.
    """

    trial: ObservedTrial
    application: str
    outlook: Outlook
    incumbent: float
    is_trained: bool
    peers: Callable[[], Sequence[float]]


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

    def vote(self, case: Case) -> Vote | None:
        """Return why the application lets go, ``None`` to go on."""


class CertainViolation:
    """Let go of a trial that is certain to break one of the application's limits."""

    name = "certain_violation"

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


class ExpectedGain:
    """Let go of a trial that is not expected to beat the incumbent by enough.

    The expectation counts every outcome by its probability, so a long shot may go on and a sure
    small gain may not. A trained model costs only its export and measuring, so less is asked of it.

    Args:
        min_gain: Expected gain in utility for which a trial is trained on.
        finishing_share: Part of it for which a trained model is exported and measured.
    """

    name = "expected_gain"

    def __init__(self, min_gain: float, finishing_share: float) -> None:
        self._min_gain = min_gain
        self._finishing_share = finishing_share

    def vote(self, case: Case) -> Vote | None:
        """See :class:`Rule`."""
        if np.isneginf(case.incumbent):
            return None
        needed = self._min_gain * (self._finishing_share if case.is_trained else 1.0)
        gain = case.outlook.expect_gain(case.incumbent)
        if gain >= needed:
            return None
        text = f"expected gain in utility of {gain:.4f} is below the {needed:.4f} asked for"
        return Vote(self.name, "utility", needed - gain, text)


class MedianRule:
    """Let go of a trial that promises less than the median of its feasible peers did.

    The median stopping rule (Golovin et al. 2017, Google Vizier), on projected utility and among
    feasible complete trials only: a trial that keeps the limits is not measured against one that
    breaks them.

    Args:
        percentile: 50 for the median; 25 lets go of the worst quarter only.
        n_startup_trials: Peers needed before the rule says anything.
    """

    name = "median"

    def __init__(self, percentile: float, n_startup_trials: int) -> None:
        self._percentile = percentile
        self._n_startup_trials = n_startup_trials

    def vote(self, case: Case) -> Vote | None:
        """See :class:`Rule`."""
        if case.trial.last.checkpoint == 0 or np.isnan(case.outlook.expected):
            return None
        peers = case.peers()
        if len(peers) < self._n_startup_trials:
            return None
        level = float(np.percentile(peers, self._percentile))
        if case.outlook.expected >= level:
            return None
        text = (
            f"expected utility of {case.outlook.expected:.4f} is below the {self._percentile:g}th "
            f"percentile {level:.4f} of {len(peers)} feasible trials"
        )
        return Vote(self.name, "utility", level - case.outlook.expected, text)


class TrainingLimit:
    """Let go of a trial whose training itself costs too much, whoever wants it.

    Large batches make steps slow and memory high; such a trial fits no machine it is meant for.

    Args:
        metric: ``step_time_ms`` or ``fit_peak_memory_mib``.
        limit: Its highest allowed value.
    """

    name = "training_limit"

    def __init__(self, metric: str, limit: float) -> None:
        self._metric = metric
        self._limit = limit

    def vote(self, case: Case) -> Vote | None:
        """See :class:`Rule`."""
        value = case.trial.last.fit.get(self._metric)
        if value is None or value <= self._limit:
            return None
        text = f"{self._metric} of {value:.4g} exceeds the limit of {self._limit:.4g} of training"
        return Vote(self.name, self._metric, value - self._limit, text)


class RuleParams(BaseModel):
    """Which rules an application may let go by, and how sure they have to be.

    ``limit_confidence`` is that with which a limit must be broken, one-sided. ``min_gain`` is the
    utility by which a trial must be expected to beat the incumbent, ``finishing_share`` the part of
    it that is asked of a trained model before it is exported, and of each serving configuration
    before it is measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Literal["certain_violation", "expected_gain", "median"], ...]
    limit_confidence: float = Field(gt=0.5, lt=1)
    min_gain: float = Field(ge=0)
    finishing_share: float = Field(ge=0, le=1)
    uses_neighbours: bool  # trials with similar hyper-parameters help to predict quality
    median_percentile: float = Field(gt=0, lt=100)
    n_startup_trials: int = Field(ge=1)  # feasible complete trials before the median rule speaks
    max_step_time_ms: float | None = Field(gt=0)  # of training; null in the YAML: no limit
    max_fit_peak_memory_mib: float | None = Field(gt=0)

    @property
    def measuring_gain(self) -> float:
        """Gain in utility for which a serving configuration is measured."""
        return self.min_gain * self.finishing_share

    def make_rules(self) -> list[Rule]:
        """Make the rules, those of training first."""
        made: list[Rule] = [
            TrainingLimit(metric, limit)
            for metric in ("step_time_ms", "fit_peak_memory_mib")
            if (limit := getattr(self, f"max_{metric}")) is not None
        ]
        makers: dict[str, Callable[[], Rule]] = {
            "certain_violation": CertainViolation,
            "expected_gain": lambda: ExpectedGain(self.min_gain, self.finishing_share),
            "median": lambda: MedianRule(self.median_percentile, self.n_startup_trials),
        }
        return made + [makers[name]() for name in self.rules]
