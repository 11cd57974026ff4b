"""What a search does next: train a trial to its next look, or end.

Everything that could go on is compared at once, for all applications together. A step promises an
application the utility by which its trial may beat everything else that the application has in
sight (expected improvement: Mockus 1975; among paused trials: Swersky, Snoek and Adams 2014). The
step that promises any application the most for its cost comes first; costs count with an exponent
below 1, since a step's promise is only fulfilled at the end of the training (cost cooling: Lee et
al. 2020). Near the end of a budget a look counts with the cost of all that is left of its training:
what is begun must also be finished. The search ends when no step promises enough
(cost-aware stopping: Xie et al. 2025); then every application's incumbent is trained to its end.
Nothing is measured on the way: what a model costs to serve follows from its structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import ClassVar

import numpy as np

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import THREADS, Applications
from rightfit.ranking.applications.utility import Bools
from rightfit_search.searching.pausing.costs import ServingCosts
from rightfit_search.searching.pausing.expected_utility import (
    QUALITY,
    ExpectedUtility,
    Floats,
    describe_costs,
    estimate_utility,
    forecast_profiles,
)
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool
from rightfit_search.searching.pausing.pausing_params import PausingParams
from rightfit_search.searching.pausing.priors import Prior
from rightfit_search.searching.pausing.quality_projection import project_quality

FEW = 8.0  # usual trials that the budget still holds, below which looks count with their rest
GROWTH_WEIGHT = 1.0  # of the assumption that each look costs as much as all before it, in trials


@dataclass(frozen=True)
class Step:
    """A trial's training to its next look.

    Args:
        number: The trial's number.
        application: Which application is promised the most.
        gain: Utility promised.
        cost_s: What it will take.
        to_the_end_s: The same, with all that is left of the training.
    """

    number: int
    application: str
    gain: float
    cost_s: float
    to_the_end_s: float


@dataclass
class SearchForecast:
    """The utility that the trials of a search are expected to reach, for all applications.

    Args:
        pool: Trials with at least one look.
        servings: Serving configurations.
        params: The rule's.
        estimate: Returns the utility of the pool's trials to each application.
    """

    pool: Pool
    servings: Sequence[Serving]
    params: PausingParams
    estimate: Callable[[Pool], Mapping[str, ExpectedUtility]]

    def __post_init__(self) -> None:
        self._rows = {trial.number: row for row, trial in enumerate(self.pool.trials)}
        self._is_trained = np.array([self.pool.is_trained(t) for t in self.pool.trials])
        # nothing is left to do for them, shape (n_trials, n_servings)
        self._is_done: Bools = np.repeat(self._is_trained[:, None], len(self.servings), axis=1)
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

    def choose(self, affordable_s: float) -> Step | None:
        """Return the next step; ``None`` once the search is over.

        Args:
            affordable_s: What a step may take at most.
        """
        worthy = [s for s in self._steps() if self._weigh(s, s.cost_s) >= self.params.min_gain]
        affordable = [step for step in worthy if step.to_the_end_s <= affordable_s]
        explorable_s = affordable_s - self._reserve_s()
        promising = [step for step in affordable if step.cost_s <= explorable_s]
        if promising:
            is_short = affordable_s < FEW * self.usual_s  # what is begun must also be finished
            return max(
                promising, key=lambda s: self._weigh(s, s.to_the_end_s if is_short else s.cost_s)
            )
        # Nothing more may be explored: each application's incumbent is finished, then what is worth
        # going on with if the budget holds the whole rest of its training.
        for name, (row, column) in self._incumbents().items():
            trial = self.pool.trials[row]
            if not trial.is_free or self._is_done[row, column]:
                continue
            step = self._go_on(row, column, name)
            if step.to_the_end_s <= affordable_s:
                return step
        looks = [step for step in affordable if not self._is_trained[self._rows[step.number]]]
        if looks:
            return max(looks, key=lambda step: self._weigh(step, step.to_the_end_s))
        if self._is_trained.any():
            return None
        # One training is finished, if only as the nearest miss.
        trials = self.pool.trials
        free = [
            row
            for row, trial in enumerate(trials)
            if trial.is_free and self._rest_s[row] <= affordable_s
        ]
        best = max(free, key=lambda row: trials[row].qualities[-1], default=None)
        return None if best is None else self._train(best, "", 0.0)

    def _weigh(self, step: Step, cost_s: float) -> float:
        """Return what a step promises for a cost."""
        share = max(cost_s / self.usual_s, 1e-6)
        return float(step.gain / share**self.params.cost_exponent)

    def _steps(self) -> Iterator[Step]:
        """Yield everything that could be done, for the application it promises the most."""
        if self._gains:
            for row, trial in enumerate(self.pool.trials):
                if trial.is_free:
                    yield from self._list_steps(row)

    def _list_steps(self, row: int) -> Iterator[Step]:
        """Yield what could be done for a trial: nothing, once it is trained."""
        gains = self._gains
        if not self._is_trained[row]:
            name = max(gains, key=lambda n: gains[n][row].max())
            yield self._train(row, name, float(gains[name][row].max()))

    def _go_on(self, row: int, column: int, application: str) -> Step:
        """Return the next step towards serving an application's incumbent as it expects."""
        del column  # any way to serve it needs the same training
        return self._train(row, application, 0.0)

    def _incumbents(self) -> dict[str, tuple[int, int]]:
        """Return the place of the trial and serving configuration that each expects most of."""
        infeasible = self.infeasible()
        incumbents = {}
        for name, utility in self.utilities.items():
            expected = utility.quantiles.mean(axis=2) + 1e-9 * self._is_done  # rather finished
            row, column = np.unravel_index(int(expected.argmax()), expected.shape)
            if name not in infeasible and expected[row, column] > 0:
                incumbents[name] = (int(row), int(column))
        return incumbents

    def _reserve_s(self) -> float:
        """Return what it takes to train every application's incumbent."""
        return float(
            sum(self._rest_s[row] for row in {row for row, _ in self._incumbents().values()})
        )

    def finish(self, number: int, affordable_s: float) -> Step | None:
        """Return a trial's next step if it may be afforded."""
        row = self._rows[number]
        if self._is_trained[row] or self._train_s[row] > affordable_s:
            return None
        return self._train(row, "", 0.0)

    def rest_s(self, number: int) -> float:
        """Return the CPU seconds that the rest of a trial's training usually takes."""
        return float(self._rest_s[self._rows[number]])

    def appraise(self, number: int, application: str) -> float:
        """Return a trial's expected utility to an application, or how far it is from feasible.

        Returns:
            A utility in [0, 1] for what may be feasible; else less than 0 by the share by which it
            breaks limits, so that any two trials are ordered.
        """
        row, utility = self._rows[number], self.utilities[application]
        expected = float(utility.quantiles[row].mean(axis=1).max())
        return expected if expected > 0 else -min(float(utility.excess[row].min()), 1e9)

    def explain_stop(self, number: int) -> tuple[str, str]:
        """Return which application would let a paused trial go last, and why it does not go on."""
        row = self._rows[number]
        step = next((s for s in self._steps() if s.number == number), None)
        if step is None:
            return "", "no application is likely to be satisfied by any trial"
        share = step.cost_s / self.usual_s
        checkpoint = self.pool.trials[row].last.checkpoint
        promise = (
            f"after checkpoint {checkpoint} {step.application} expected to gain "
            f"{step.gain:.4f} of utility for {share:.2f} of a trial's cost"
        )
        if self._weigh(step, step.cost_s) >= self.params.min_gain:
            return step.application, f"{promise}, but the budget was spent"
        return step.application, f"{promise}, which is too little"

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

    def _train(self, row: int, application: str, gain: float) -> Step:
        cost_s, to_the_end_s = float(self._train_s[row]), float(self._rest_s[row])
        return Step(self.pool.trials[row].number, application, gain, cost_s, to_the_end_s)


@dataclass(frozen=True)
class ApplicationTargets:
    """What a search that serves applications needs to know of them.

    Args:
        applications: Who will choose.
        pausing: How much a step must promise.
        servings: Serving configurations they may choose from.
        known_quality: Best quality known for the dataset from elsewhere, such as its other
            families; ``None`` for none. Limits relative to the best quality count from it.
        prior: What earlier searches taught.
    """

    applications: Applications
    pausing: PausingParams
    servings: tuple[Serving, ...]
    known_quality: float | None
    prior: Prior = field(default_factory=Prior)


class PausingRule:
    """Decides what a search does next.

    Args:
        targets: What the applications ask for.
    """

    forecast_class: ClassVar[type[SearchForecast]] = SearchForecast

    def __init__(self, targets: ApplicationTargets) -> None:
        self._targets = targets
        self._costs = ServingCosts(targets.prior.lines)
        self._described: dict[tuple[int, int], Floats] = {}
        needed = {m for _, app in targets.applications.items() for m in app.needed_metrics()}
        self._metrics = sorted(needed & {*METRICS_BY_COLUMN, THREADS} - {QUALITY})

    def choose(self, pool: Pool, *, affordable_s: float = np.inf) -> Step | None:
        """Return the next step; ``None`` once the search is over.

        Args:
            pool: All trials. Those without a look are no concern of this rule: whoever asks for
                configurations trains each to its first look.
            affordable_s: What a step may take at most.
        """
        forecast = self.forecast(pool)
        return None if forecast is None else forecast.choose(affordable_s)

    def forecast(self, pool: Pool) -> SearchForecast | None:
        """Forecast the utility of all trials; ``None`` before any has been looked at."""
        observed_pool = Pool([t for t in pool.trials if t.qualities], pool.n_checkpoints)
        if not observed_pool.trials:
            return None
        targets = self._targets
        return self.forecast_class(observed_pool, targets.servings, targets.pausing, self._estimate)

    def _estimate(self, pool: Pool) -> dict[str, ExpectedUtility]:
        targets = self._targets
        profiles = forecast_profiles(
            pool.trials,
            project_quality(pool, targets.prior.quality),
            self._metrics,
            [self._describe(trial) for trial in pool.trials],
            n_servings=len(targets.servings),
            known_quality=-np.inf if targets.known_quality is None else targets.known_quality,
        )
        return {name: estimate_utility(profiles, app) for name, app in targets.applications.items()}

    def _describe(self, trial: ObservedTrial) -> Floats:
        """Return what a trial costs; computed anew only where something was learnt of it."""
        key = (trial.number, trial.last.checkpoint)
        if key not in self._described:
            self._described[key] = describe_costs(
                trial, self._metrics, self._targets.servings, self._costs
            )
        return self._described[key]


def _predict_training(pool: Pool) -> tuple[Floats, Floats, float]:
    """Predict CPU seconds: of each trial's next look, of its rest, and of a usual whole trial."""
    steps: list[list[float]] = [[] for _ in range(pool.n_checkpoints)]
    for trial in pool.trials:
        for before, after in zip(trial.looks[1:], trial.looks[2:], strict=False):
            if before.spent_s > 0 and before.checkpoint < after.checkpoint:
                steps[before.checkpoint].append(after.spent_s / before.spent_s - 1.0)
    growth = [(GROWTH_WEIGHT + sum(ratios)) / (GROWTH_WEIGHT + len(ratios)) for ratios in steps]
    following, rest, whole = [], [], []
    for trial in pool.trials:
        spent_s, reached = trial.last.spent_s, trial.last.checkpoint
        ahead = [1.0 + growth[step] for step in range(reached, pool.n_checkpoints)]
        whole.append(spent_s * float(np.prod(ahead)))
        rest.append(whole[-1] - spent_s)
        following.append(spent_s * growth[reached] if ahead else 0.0)
    return np.array(following), np.array(rest), max(fmean(whole), 1e-9)
