"""Replaying recorded trainings: what a rule would have trained and measured, and what it cost.

Random search asks for its trials without looking at earlier ones, so a replay on recordings is
exact: the same trials, each trained as far as the rule would have trained it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.units import NS_PER_S
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit_search.searching.pausing.observed import Pool
from rightfit_search.searching.pausing.pausing_rule import PausingRule, Step
from rightfit_study.early_stopping.measured_trials import MeasuredTrial
from rightfit_study.early_stopping.measuring_rule import MeasuringStep
from rightfit_study.early_stopping.recorded import RecordedCell

Floats = npt.NDArray[np.float64]
Winner = tuple[int, Serving]


@dataclass
class RecordedSearch:
    """A search that is being replayed.

    Args:
        cell: The recordings.
        order: Positions of the trials that are asked for, in their order.
    """

    cell: RecordedCell
    order: Sequence[int]

    def __post_init__(self) -> None:
        self.training_s = self.measuring_s = self.overhead_s = 0.0
        self._trials = [
            MeasuredTrial(number, self.cell.trials[index].trial.looks[:1])
            for number, index in enumerate(self.order)
        ]

    @property
    def cost_s(self) -> float:
        """Everything spent so far."""
        return self.training_s + self.measuring_s

    def pool(self) -> Pool:
        """Return the trials as far as they went."""
        return Pool(tuple(self._trials), self.cell.n_checkpoints)

    def train(self, number: int) -> MeasuredTrial:
        """Train a trial to its next look."""
        trial = self._trials[number]
        looks = self.cell.trials[self.order[number]].trial.looks[: len(trial.looks) + 1]
        self.training_s += looks[-1].spent_s - trial.last.spent_s
        self._trials[number] = replace(trial, looks=looks)
        return self._trials[number]

    def measure(self, number: int, serving: Serving) -> None:
        """Measure a trained trial in one serving configuration, exporting it when needed."""
        recorded = self.cell.trials[self.order[number]].trial
        trial = self._trials[number]
        if trial.export_s is None:
            self.measuring_s += recorded.export_s or 0.0
        self.measuring_s += recorded.measured_s[serving]
        self._trials[number] = replace(
            trial,
            export_s=recorded.export_s,
            served={**trial.served, serving: recorded.served[serving]},
            measured_s={**trial.measured_s, serving: recorded.measured_s[serving]},
        )

    def measure_all(self) -> None:
        """Measure every trained trial in every serving configuration."""
        for trial in self._trials:
            if self.pool().is_trained(trial):
                for serving in self.cell.trials[self.order[trial.number]].trial.measured_s:
                    self.measure(trial.number, serving)

    def measured(self) -> list[Winner]:
        """Return what was measured, by the position of the recording."""
        return [(self.order[t.number], s) for t in self._trials for s in t.served]

    def best_quality(self) -> float:
        """Return the highest quality of a trained trial; -inf without any."""
        pool = self.pool()
        found = [t.qualities[-1] for t in self._trials if pool.is_trained(t)]
        return max(found, default=-np.inf)


def follow_rule(search: RecordedSearch, rule: PausingRule) -> None:
    """Let the pausing rule run a search: a first look at every trial, then what it chooses."""
    for number in range(len(search.order)):
        search.train(number)
    start_ns = time.process_time_ns()
    while (step := rule.choose(search.pool())) is not None:
        do_step(search, step)
    search.overhead_s += (time.process_time_ns() - start_ns) / NS_PER_S


def measure_by_rule(search: RecordedSearch, rule: PausingRule) -> None:
    """Measure of the trained trials what our rule would, and train nothing more."""
    pool = search.pool()
    numbers = [trial.number for trial in pool.trials if pool.is_trained(trial)]
    while True:
        trials = search.pool().trials
        step = rule.choose(Pool([trials[number] for number in numbers], pool.n_checkpoints))
        if step is None:
            return
        do_step(search, step)


def do_step(search: RecordedSearch, step: Step) -> None:
    """Train or measure as a step says."""
    if isinstance(step, MeasuringStep):
        search.measure(step.number, step.serving)
    else:
        search.train(step.number)


class Truth:
    """What applications think of everything recorded in a cell.

    Costs are as measured, not smoothed. Quality is as validated, or as tested on rows that the
    search never saw.

    Args:
        cell: The recordings.
        applications: Who chooses.
        best_quality: Highest validated quality of the dataset, by any family.
        best_tested: Highest tested quality.
    """

    def __init__(
        self,
        cell: RecordedCell,
        applications: Mapping[str, Application],
        *,
        best_quality: float,
        best_tested: float,
    ) -> None:
        self.applications = applications
        self._keys = [(i, s) for i, t in enumerate(cell.trials) for s in t.trial.measured_s]
        self._place = {key: place for place, key in enumerate(self._keys)}
        self._validated = {
            name: _judge(cell, self._keys, application, best_quality, is_tested=False)
            for name, application in applications.items()
        }
        self._tested = {
            name: _judge(cell, self._keys, application, best_tested, is_tested=True)
            for name, application in applications.items()
        }

    def best(self, application: str, among: Sequence[int] | None = None) -> float:
        """Return the utility of the true winner; -inf if nothing recorded is feasible.

        Args:
            application: Who chooses.
            among: Positions of the trials to choose from; ``None`` for all.
        """
        utility = self._validated[application]
        if among is not None:
            chosen = set(among)
            utility = utility[[index in chosen for index, _ in self._keys]]
        return float(utility.max())

    def reached(self, application: str, measured: Sequence[Winner]) -> float:
        """Return the highest utility of what was measured; -inf if nothing is feasible."""
        places = [self._place[key] for key in measured]
        return float(self._validated[application][places].max(initial=-np.inf))

    def tested(self, application: str, measured: Sequence[Winner] | None = None) -> float:
        """Return what the winner by validation is worth on the test rows.

        Args:
            application: Who chooses.
            measured: Among these; ``None`` for everything recorded.

        Returns:
            Utility; 0 for a winner that breaks a limit there; NaN without a winner.
        """
        keys = self._keys if measured is None else measured
        places = [self._place[key] for key in keys]
        validated = self._validated[application][places]
        if not len(validated) or np.isneginf(validated.max()):
            return float("nan")
        return max(float(self._tested[application][places][int(validated.argmax())]), 0.0)


def _judge(
    cell: RecordedCell,
    keys: Sequence[Winner],
    application: Application,
    best_quality: float,
    *,
    is_tested: bool,
) -> Floats:
    """Return the utility of everything recorded, -inf where a limit is broken."""

    def value(key: Winner, metric: str) -> float:
        index, serving = key
        recorded = cell.trials[index]
        if metric == "quality":
            last = float(recorded.trial.qualities[-1])
            return float(recorded.test_quality[serving]) if is_tested else last
        if metric == "n_threads":
            return float(serving.n_threads)
        found = recorded.trial.served[serving].get(metric, recorded.trial.last.fit.get(metric))
        return np.nan if found is None else float(found)

    values = {
        metric: np.array([value(key, metric) for key in keys], dtype=np.float64)
        for metric in application.needed_metrics()
    }
    limits = resolve_limits(application, {"quality": np.asarray(best_quality)})
    judged = judge_profiles(values, application, limits=limits)
    return np.where(judged.feasible, judged.utility, -np.inf)
