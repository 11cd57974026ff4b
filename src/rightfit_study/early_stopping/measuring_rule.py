"""The pausing rule of a search that also measures: in turns with training, as replays do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

import numpy as np

from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import THREADS
from rightfit_search.searching.pausing.expected_utility import ExpectedUtility, Floats
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool
from rightfit_search.searching.pausing.pausing_rule import (
    ApplicationTargets,
    PausingRule,
    SearchForecast,
    Step,
)
from rightfit_study.early_stopping.measured_trials import (
    LearntCosts,
    MeasuredTrial,
    list_measured,
    read_measured,
)


@dataclass(frozen=True)
class MeasuringStep(Step):
    """The measuring of a trained trial.

    Args:
        serving: How to serve it meanwhile.
    """

    serving: Serving


@dataclass
class MeasuringForecast(SearchForecast):
    """A forecast that weighs measuring beside training; its trials are measured ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._trials = read_measured(self.pool)
        self._is_done = np.array([[s in t.served for s in self.servings] for t in self._trials])
        ends = [trial.export_s or 0.0 for trial in self._trials if trial.measured_s]
        seconds = [s for trial in self._trials for s in trial.measured_s.values()]
        if seconds:
            self.usual_s += fmean(ends) + fmean(seconds)

    def _list_steps(self, row: int) -> Iterator[Step]:
        yield from super()._list_steps(row)
        if self._is_trained[row]:
            gains = self._gains
            for column in np.flatnonzero(~self._is_done[row]):
                name = max(gains, key=lambda n: gains[n][row, column])
                yield self._measure(row, int(column), name, float(gains[name][row, column]))

    def _go_on(self, row: int, column: int, application: str) -> Step:
        if self._is_trained[row]:
            return self._measure(row, column, application, 0.0)
        return super()._go_on(row, column, application)

    def _reserve_s(self) -> float:
        measuring_s = sum(
            self._measuring_s(self._trials[row], self.servings[column])
            for row, column in set(self._incumbents().values())
            if not self._is_done[row, column]
        )
        return super()._reserve_s() + measuring_s

    def _measure(self, row: int, column: int, application: str, gain: float) -> Step:
        trial, serving = self._trials[row], self.servings[column]
        cost_s = self._measuring_s(trial, serving)
        return MeasuringStep(trial.number, application, gain, cost_s, cost_s, serving)

    def _measuring_s(self, trial: MeasuredTrial, serving: Serving) -> float:
        seconds = [t.measured_s[serving] for t in self._trials if serving in t.measured_s]
        if not seconds:
            seconds = [s for t in self._trials for s in t.measured_s.values()]
        exports = [t.export_s for t in self._trials if t.export_s is not None]
        export_s = fmean(exports) if exports and trial.export_s is None else 0.0
        return export_s + (fmean(seconds) if seconds else 0.0)


class MeasuringRule(PausingRule):
    """Decides what a search does next that measures trained models while it goes on.

    Args:
        targets: What the applications ask for.
    """

    forecast_class: ClassVar[type[SearchForecast]] = MeasuringForecast

    def __init__(self, targets: ApplicationTargets) -> None:
        super().__init__(targets)
        self._learnt_costs = self._costs = LearntCosts(targets.prior.lines)
        self._learnt: object = None  # from which measurements

    def _estimate(self, seen: Pool) -> dict[str, ExpectedUtility]:
        measured = list_measured(seen)
        learnt = [(trial.number, len(trial.served)) for trial in measured]
        if learnt != self._learnt:
            self._learnt_costs.learn(measured)
            self._learnt = learnt
            self._described.clear()
        return super()._estimate(seen)

    def _describe(self, trial: ObservedTrial) -> Floats:
        """Put what was measured in place of what was predicted."""
        costs = super()._describe(trial).copy()
        served = trial.served if isinstance(trial, MeasuredTrial) else {}
        for column, serving in enumerate(self._targets.servings):
            for place, metric in enumerate(self._metrics):
                if serving in served and metric != THREADS and metric not in trial.last.fit:
                    costs[:, column, place] = served[serving].get(metric, np.nan), 0.0
        return costs
