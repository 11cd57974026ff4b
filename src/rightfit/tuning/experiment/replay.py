"""Replaying a stopping policy on recorded trainings, in any order of the trials.

Random search asks for its trials without looking at earlier ones, so a replay on recordings is
exact: the same trials in another order, each cut where the policy would have cut it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.tuning.experiment.recorded import RecordedCell, RecordedTrial
from rightfit.tuning.judge.observed import SERVED_COLUMNS, ObservedTrial, Pool, Serving
from rightfit.tuning.judge.serving_costs import ServingCosts

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ending:
    """How a trial ended in a replay.

    Args:
        number: Position in the order.
        index: Which recording.
        checkpoint: Where it was stopped; ``None`` if it was trained to the end and measured.
        measured: Serving configurations that were measured.
        cost_s: What was spent on it.
        reasons: Why each application let go; empty for a complete trial.
    """

    number: int
    index: int
    checkpoint: int | None
    measured: tuple[Serving, ...]
    cost_s: float
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a replay came to.

    Args:
        endings: One per trial, in the order replayed.
        cost_s: Spent on training, exporting and measuring.
        overhead_s: CPU seconds of the policy itself.
        winners: Chosen (recording, serving configuration) by application; ``None`` if none was
            feasible among the measured.
    """

    endings: tuple[Ending, ...]
    cost_s: float
    overhead_s: float
    winners: Mapping[str, tuple[int, Serving] | None]


class Policy(Protocol):
    """What decides about trials, one search long."""

    def start(self, cell: RecordedCell) -> None:
        """Begin a search."""

    def learn(self, pool: Pool) -> None:
        """Take in the trials so far."""

    def wants(self, trial: ObservedTrial) -> tuple[bool, Mapping[str, str]]:
        """Tell whether a trial goes on after its latest look, and if not why."""

    def next_serving(self, trial: ObservedTrial) -> Serving | None:
        """Return what to measure next of a finished trial; ``None`` to end it."""


def replay(cell: RecordedCell, order: Sequence[int], policy: Policy, *, judges: Truth) -> Outcome:
    """Run a policy over recordings in an order.

    Args:
        cell: The recordings.
        order: Positions of ``cell.trials``, in the order they are asked for.
        policy: What decides.
        judges: What each application thinks of what was measured.
    """
    policy.start(cell)
    known: list[ObservedTrial] = []
    endings: list[Ending] = []
    overhead_ns = 0
    for number, index in enumerate(order):
        start_ns = time.process_time_ns()
        policy.learn(Pool(tuple(known), cell.n_checkpoints))
        ending, seen = _run_trial(cell.trials[index], policy, number=number, index=index)
        overhead_ns += time.process_time_ns() - start_ns
        endings.append(ending)
        known.append(seen)
    cost_s = sum(ending.cost_s for ending in endings)
    return Outcome(tuple(endings), cost_s, overhead_ns / 1e9, judges.choose(endings))


def _run_trial(
    recorded: RecordedTrial, policy: Policy, *, number: int, index: int
) -> tuple[Ending, ObservedTrial]:
    whole = recorded.trial
    for look in range(len(whole.looks)):
        seen = replace(whole, number=number, looks=whole.looks[: look + 1], served={})
        goes_on, reasons = policy.wants(seen)
        if not goes_on:
            checkpoint = whole.looks[look].checkpoint
            return Ending(number, index, checkpoint, (), recorded.spent_s[look], reasons), seen
    cost_s = recorded.spent_s[-1] + recorded.export_s
    while (serving := policy.next_serving(seen)) is not None:
        cost_s += recorded.measuring_s[serving]
        seen = replace(seen, served={**seen.served, serving: whole.served[serving]})
    return Ending(number, index, None, tuple(seen.served), cost_s, {}), seen


class Truth:
    """What applications think of everything recorded in a cell.

    Timings are smoothed over all recordings: one timing in two differs from the next one of the
    same model by a tenth, and being lucky once is no merit. A policy sees them as they were
    measured. Its winner is the truly best of what it measured, as a thorough evaluation would find.

    Args:
        cell: The recordings.
        applications: Who chooses.
    """

    def __init__(self, cell: RecordedCell, applications: Mapping[str, Application]) -> None:
        self.cell = cell
        keys = [
            (index, serving)
            for index, recorded in enumerate(cell.trials)
            for serving in recorded.trial.served
        ]
        self._profiles = _smooth_profiles(cell)
        self._position = {key: position for position, key in enumerate(keys)}
        self._keys = keys
        self.utility: dict[str, Floats] = {}
        self.feasible: dict[str, npt.NDArray[np.bool_]] = {}
        for name, application in applications.items():
            values = {
                metric: np.array([self._value(key, metric) for key in keys], dtype=np.float64)
                for metric in application.needed_metrics()
            }
            limits = resolve_limits(application, {"quality": np.asarray(cell.best_quality)})
            judged = judge_profiles(values, application, limits=limits)
            self.utility[name] = np.where(judged.feasible, judged.utility, -np.inf)
            self.feasible[name] = judged.feasible

    def best(self, application: str) -> tuple[int, Serving] | None:
        """Return the true winner; ``None`` if nothing recorded is feasible."""
        return self._pick(application, np.ones(len(self._keys), dtype=bool))

    def value_of(self, application: str, winner: tuple[int, Serving] | None) -> float:
        """Return a winner's utility; 0 for none."""
        return 0.0 if winner is None else float(self.utility[application][self._position[winner]])

    def choose(self, endings: Sequence[Ending]) -> dict[str, tuple[int, Serving] | None]:
        """Return each application's winner among what a replay measured."""
        measured = np.zeros(len(self._keys), dtype=bool)
        for ending in endings:
            for serving in ending.measured:
                measured[self._position[ending.index, serving]] = True
        return {name: self._pick(name, measured) for name in self.utility}

    def clairvoyant_s(self) -> float:
        """Return what it costs to train and measure just the true winners."""
        winners = {w for name in self.utility if (w := self.best(name)) is not None}
        trained = {index for index, _ in winners}
        cost_s = sum(
            self.cell.trials[i].spent_s[-1] + self.cell.trials[i].export_s for i in trained
        )
        return cost_s + sum(self.cell.trials[i].measuring_s[s] for i, s in winners)

    def _pick(self, application: str, among: npt.NDArray[np.bool_]) -> tuple[int, Serving] | None:
        utility = np.where(among, self.utility[application], -np.inf)
        if not len(utility) or np.isneginf(utility.max()):
            return None
        return self._keys[int(utility.argmax())]

    def _value(self, key: tuple[int, Serving], metric: str) -> float:
        index, serving = key
        trial = self.cell.trials[index].trial
        if metric == "quality":
            return float(trial.qualities[-1])
        if metric == "n_threads":
            return float(serving[1])
        value = self._profiles[key].get(metric, trial.last.fit.get(metric))
        return np.nan if value is None else float(value)


def _smooth_profiles(cell: RecordedCell) -> dict[tuple[int, Serving], dict[str, float]]:
    trials = [recorded.trial for recorded in cell.trials]
    costs = ServingCosts(SERVED_COLUMNS, cell.servings)
    costs.learn(trials)
    return {
        (index, serving): costs.smooth(trial.last.structure or {}, serving, served)
        for index, trial in enumerate(trials)
        for serving, served in trial.served.items()
    }
