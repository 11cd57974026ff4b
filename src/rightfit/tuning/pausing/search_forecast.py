"""The utility of all trials to all applications, and what each further step would promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
import numpy.typing as npt

from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.expected_utility import ExpectedUtility
from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.pausing_params import PausingParams

Floats = npt.NDArray[np.float64]

FEW = 8.0  # usual trials that the budget still holds, below which looks count with their rest
GROWTH_WEIGHT = 1.0  # of the assumption that each look costs as much as all before it, in trials


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Args:
        number: The trial's number.
        serving: How to serve it while measuring; ``None`` to train it to its next look.
        application: Which application is promised the most.
        gain: Utility promised.
        cost_s: What it will take.
    """

    number: int
    serving: Serving | None
    application: str
    gain: float
    cost_s: float


@dataclass
class SearchForecast:
    """The utility that the trials of a search are expected to reach, for all applications.

    Args:
        pool: Trials with at least one look.
        servings: Serving configurations.
        is_measured: Shape (n_trials, n_servings).
        params: The rule's.
        estimate: Returns the utility of the pool's trials to each application.
    """

    pool: Pool
    servings: Sequence[Serving]
    is_measured: npt.NDArray[np.bool_]
    params: PausingParams
    estimate: Callable[[Pool], Mapping[str, ExpectedUtility]]

    def __post_init__(self) -> None:
        self._is_trained = np.array([self.pool.is_trained(t) for t in self.pool.trials])
        self._train_s, self._rest_s, self.usual_s = _predict_training(self.pool)

    @cached_property
    def utilities(self) -> Mapping[str, ExpectedUtility]:
        """Of all trials, by application; what training takes is told without them."""
        return self.estimate(self.pool)

    def infeasible(self) -> set[str]:
        """Return the applications that no trial is likely to satisfy: they steer no more."""
        if len(self.pool.trials) < self.params.feasible_after_trials:
            return set()
        limit = self.params.min_feasible_probability
        return {name for name, utility in self.utilities.items() if utility.chance < limit}

    def acquisition(self, step: Step) -> float:
        """Return what a step promises for its cost."""
        return self._weigh(step, step.cost_s)

    def acquisition_to_the_end(self, step: Step) -> float:
        """Return what a step promises for its cost; a look's is that of its training's rest."""
        return self._weigh(step, self.rest_s(step.number) if step.serving is None else step.cost_s)

    def is_short(self, affordable_s: float) -> bool:
        """Tell whether the budget holds so few trials that what is begun must be finished."""
        return affordable_s < FEW * self.usual_s

    def _weigh(self, step: Step, cost_s: float) -> float:
        share = max(cost_s / self.usual_s, 1e-6)
        return float(step.gain / share**self.params.cost_exponent)

    def steps(self) -> Iterator[Step]:
        """Yield everything that could be done, for the application it promises the most."""
        gains = self._gains
        for row, trial in enumerate(self.pool.trials):
            if not trial.is_free or not gains:
                continue
            if not self._is_trained[row]:
                name = max(gains, key=lambda n: gains[n][row].max())
                yield self._step(row, None, name, float(gains[name][row].max()))
                continue
            for column in np.flatnonzero(~self.is_measured[row]):
                name = max(gains, key=lambda n: gains[n][row, column])
                yield self._step(row, int(column), name, float(gains[name][row, column]))

    def incumbents(self) -> dict[str, tuple[int, int]]:
        """Return the place of the trial and serving configuration that each expects most of."""
        infeasible = self.infeasible()
        found = {}
        for name, utility in self.utilities.items():
            expected = utility.quantiles.mean(axis=2) + 1e-9 * self.is_measured  # rather measured
            row, column = np.unravel_index(int(expected.argmax()), expected.shape)
            if name not in infeasible and expected[row, column] > 0:
                found[name] = (int(row), int(column))
        return found

    def reserve_s(self) -> float:
        """Return what it takes to train and measure every application's incumbent."""
        places = set(self.incumbents().values())
        training_s = sum(self._rest_s[row] for row in {row for row, _ in places})
        measuring_s = sum(
            self._measuring_s(self.pool.trials[row], self.servings[column])
            for row, column in places
            if not self.is_measured[row, column]
        )
        return float(training_s + measuring_s)

    def contenders(self) -> list[Step]:
        """Return the looks that are worth taking, the most worthy of the whole rest first."""
        found = [
            step
            for step in self.steps()
            if step.serving is None and self.acquisition(step) >= self.params.min_gain
        ]
        return sorted(found, key=self.acquisition_to_the_end, reverse=True)

    def finishing(self, affordable_s: float) -> Iterator[Step]:
        """Yield what is left to do where nothing more may be explored.

        That is each application's incumbent, then what is worth going on with if the budget holds
        the whole rest of its training. One training is finished, if only as the nearest miss.
        """
        for name, (row, column) in self.incumbents().items():
            trial = self.pool.trials[row]
            if not trial.is_free or self.is_measured[row, column]:
                continue
            if self._is_trained[row]:
                step = self._step(row, column, name, 0.0)
                if step.cost_s <= affordable_s:
                    yield step
            elif self._rest_s[row] <= affordable_s:
                yield self._step(row, None, name, 0.0)
        yield from (s for s in self.contenders() if self.rest_s(s.number) <= affordable_s)
        if not self._is_trained.any():
            free = [row for row, trial in enumerate(self.pool.trials) if trial.is_free]
            free.sort(key=lambda row: -self.pool.trials[row].qualities[-1])
            yield from (
                self._step(row, None, "", 0.0) for row in free if self._rest_s[row] <= affordable_s
            )

    def rest_s(self, number: int) -> float:
        """Return what the rest of a trial's training will take."""
        return float(self._rest_s[self._row(number)])

    def finish(self, number: int, affordable_s: float) -> Step | None:
        """Return a trial's next step if it may be afforded."""
        row = self._row(number)
        if self._is_trained[row] or self._train_s[row] > affordable_s:
            return None
        return self._step(row, None, "", 0.0)

    def appraise(self, number: int, application: str) -> float:
        """Return a trial's expected utility to an application, or how far it is from feasible.

        Returns:
            A utility in [0, 1] for what may be feasible; else less than 0 by the share by which it
            breaks limits, so that any two trials are ordered.
        """
        row, utility = self._row(number), self.utilities[application]
        expected = float(utility.quantiles[row].mean(axis=1).max())
        return expected if expected > 0 else -min(float(utility.excess[row].min()), 1e9)

    def explain_stop(self, number: int) -> tuple[str, str]:
        """Return which application would let a paused trial go last, and why it does not go on."""
        row = self._row(number)
        step = next((s for s in self.steps() if s.number == number), None)
        if step is None:
            return "", "no application is likely to be satisfied by any trial"
        share = step.cost_s / self.usual_s
        promise = (
            f"after look {self.pool.trials[row].last.checkpoint} {step.application} expected to "
            f"gain {step.gain:.4f} of utility for {share:.2f} of a trial's cost"
        )
        if self.acquisition(step) >= self.params.min_gain:
            return step.application, f"{promise}, but the budget was spent"
        return step.application, f"{promise}, which is too little"

    def _row(self, number: int) -> int:
        return next(i for i, trial in enumerate(self.pool.trials) if trial.number == number)

    @cached_property
    def _gains(self) -> dict[str, Floats]:
        """By how much each trial and serving configuration may beat all others, by application.

        A trial in training competes with its serving configurations together.
        """
        infeasible = self.infeasible()
        gains: dict[str, Floats] = {}
        for name, utility in self.utilities.items():
            if name in infeasible:
                continue
            whole = utility.quantiles.max(axis=1, keepdims=True)
            quantiles = np.where(self._is_trained[:, None, None], utility.quantiles, whole)
            rivals = quantiles.mean(axis=2)
            rivals[~self._is_trained, 1:] = -1.0
            order = np.argsort(-rivals, axis=None, kind="stable")
            row, column = np.unravel_index(int(order[0]), rivals.shape)
            runner_up = rivals.flat[order[1]] if len(order) > 1 else 0.0
            best = np.full(rivals.shape, rivals[row, column])
            best[row, column if self._is_trained[row] else slice(None)] = max(runner_up, 0.0)
            gains[name] = np.maximum(quantiles - best[:, :, None], 0.0).mean(axis=2)
        return gains

    def _step(self, row: int, column: int | None, application: str, gain: float) -> Step:
        trial = self.pool.trials[row]
        if column is None:
            return Step(trial.number, None, application, gain, float(self._train_s[row]))
        serving = self.servings[column]
        return Step(trial.number, serving, application, gain, self._measuring_s(trial, serving))

    def _measuring_s(self, trial: ObservedTrial, serving: Serving) -> float:
        seconds = [t.measured_s[serving] for t in self.pool.trials if serving in t.measured_s]
        if not seconds:
            seconds = [s for t in self.pool.trials for s in t.measured_s.values()]
        exports = [t.export_s for t in self.pool.trials if t.export_s is not None]
        export_s = fmean(exports) if exports and trial.export_s is None else 0.0
        return export_s + (fmean(seconds) if seconds else 0.0)


def _predict_training(pool: Pool) -> tuple[Floats, Floats, float]:
    """Predict CPU seconds: of each trial's next look, of its rest, and of a usual whole trial."""
    steps: list[list[float]] = [[] for _ in range(pool.n_checkpoints)]
    for trial in pool.trials:
        for before, after in zip(trial.looks[1:], trial.looks[2:], strict=False):
            if before.spent_s > 0 and before.checkpoint < after.checkpoint:
                steps[before.checkpoint].append(after.spent_s / before.spent_s - 1.0)
    growth = [(GROWTH_WEIGHT + sum(seen)) / (GROWTH_WEIGHT + len(seen)) for seen in steps]
    following, rest, whole = [], [], []
    for trial in pool.trials:
        spent_s, reached = trial.last.spent_s, trial.last.checkpoint
        ahead = [1.0 + growth[step] for step in range(reached, pool.n_checkpoints)]
        whole.append(spent_s * float(np.prod(ahead)))
        rest.append(whole[-1] - spent_s)
        following.append(spent_s * growth[reached] if ahead else 0.0)
    ends = [t.export_s or 0.0 for t in pool.trials if t.measured_s]
    seconds = [s for t in pool.trials for s in t.measured_s.values()]
    usual_s = fmean(whole) + (fmean(ends) + fmean(seconds) if seconds else 0.0)
    return np.array(following), np.array(rest), max(usual_s, 1e-9)
