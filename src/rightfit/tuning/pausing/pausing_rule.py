"""What a search does next: train a trial to its next look, measure a trained one, or end.

Everything that could go on is compared at once, for all applications together. A step promises an
application the utility by which its trial may beat everything else that the application has in
sight (expected improvement: Mockus 1975; among paused trials: Swersky, Snoek and Adams 2014). The
step that promises any application the most for its cost comes first; costs count with an exponent
below 1, since a step's promise is only fulfilled at the end of the training (cost cooling: Lee et
al. 2020). Near the end of a budget a look counts with the cost of all that is left of its training:
what is begun must also be finished. The search ends when no step promises enough
(cost-aware stopping: Xie et al. 2025); then every application's incumbent is trained and measured,
so that what is chosen was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import THREADS, Application
from rightfit.tuning.pausing.expected_utility import (
    QUALITY,
    ExpectedUtility,
    Floats,
    describe_costs,
    estimate_utility,
    forecast_profiles,
)
from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.priors import Prior
from rightfit.tuning.pausing.quality_projection import project_quality
from rightfit.tuning.pausing.search_forecast import SearchForecast, Step
from rightfit.tuning.pausing.serving_costs import ServingCosts


@dataclass
class PausingRule:
    """Decides what a search does next.

    Args:
        applications: Who will choose.
        params: How much a step must promise.
        servings: Serving configurations that may be measured.
        prior: What earlier searches taught.
        known_quality: Best quality known for the dataset from elsewhere, such as its other
            families; -inf for none. Limits relative to the best quality count from it.
        measures: Whether trained models are measured while the search goes on; if not, what they
            cost to serve follows from their structure.
    """

    applications: Mapping[str, Application]
    params: PausingParams
    servings: Sequence[Serving]
    prior: Prior
    known_quality: float
    measures: bool = True
    _costs: ServingCosts = field(init=False)
    _learnt: object = None
    _described: dict[tuple[int, int, int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._costs = ServingCosts(self.prior.lines)
        needed = {m for app in self.applications.values() for m in app.needed_metrics()}
        self._metrics = sorted(m for m in needed if m in METRICS_BY_COLUMN or m == THREADS)
        self._metrics = [m for m in self._metrics if m != QUALITY]

    def choose(self, pool: Pool, *, affordable_s: float = np.inf) -> Step | None:
        """Return the next step; ``None`` once the search is over.

        Args:
            pool: All trials. Those without a look are no concern of this rule: whoever asks for
                configurations trains each to its first look.
            affordable_s: What a step may take at most.
        """
        forecast = self.forecast(pool)
        if forecast is None:
            return None
        explorable_s = affordable_s - forecast.reserve_s()

        def fits(step: Step) -> bool:
            rest_s = 0.0 if step.serving is not None else forecast.rest_s(step.number)
            return step.cost_s <= explorable_s and rest_s <= affordable_s

        promising = [
            step
            for step in forecast.steps()
            if fits(step) and forecast.acquisition(step) >= self.params.min_gain
        ]
        if promising:
            is_short = forecast.is_short(affordable_s)
            return max(
                promising, key=forecast.acquisition_to_the_end if is_short else forecast.acquisition
            )
        return next(forecast.finishing(affordable_s), None)

    def finish(self, pool: Pool, number: int, *, affordable_s: float) -> Step | None:
        """Return the next step of a trial's training; ``None`` where it is over or too expensive.

        Args:
            pool: All trials.
            number: Of a trial that was looked at.
            affordable_s: What its next look may take at most.
        """
        forecast = self.forecast(pool)
        return None if forecast is None else forecast.finish(number, affordable_s)

    def affords_another(self, pool: Pool, *, affordable_s: float) -> bool:
        """Tell whether a budget holds a whole training of a new configuration.

        Args:
            pool: All trials, at least one of them looked at.
            affordable_s: What is left of the budget.
        """
        forecast = self.forecast(pool)
        return forecast is not None and forecast.usual_s <= affordable_s

    def forecast(self, pool: Pool) -> SearchForecast | None:
        """Forecast the utility of all trials; ``None`` before any has been looked at."""
        seen = Pool([t for t in pool.trials if t.qualities], pool.n_checkpoints)
        if not seen.trials:
            return None
        is_known = np.array([[s in trial.served for s in self.servings] for trial in seen.trials])
        if not self.measures:  # nothing is left to do for a trained one
            is_known |= np.array([[seen.is_trained(trial)] for trial in seen.trials])
        return SearchForecast(seen, self.servings, is_known, self.params, self._estimate)

    def _estimate(self, seen: Pool) -> dict[str, ExpectedUtility]:
        measured = seen.measured()
        learnt = [(trial.number, len(trial.served)) for trial in measured]
        if learnt != self._learnt:
            self._costs.learn(measured)
            self._learnt = learnt
            self._described.clear()
        known = forecast_profiles(
            seen.trials,
            project_quality(seen, self.prior.quality),
            self._metrics,
            [self._describe(trial) for trial in seen.trials],
            servings=self.servings,
            known_quality=self.known_quality,
        )
        return {name: estimate_utility(known, app) for name, app in self.applications.items()}

    def _describe(self, trial: ObservedTrial) -> Floats:
        """Return what a trial costs; computed anew only where something was learnt of it."""
        key = (trial.number, trial.last.checkpoint, len(trial.served))
        if key not in self._described:
            self._described[key] = describe_costs(trial, self._metrics, self.servings, self._costs)
        return self._described[key]
