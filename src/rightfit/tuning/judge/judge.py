"""The judge of a search: projects each trial and lets every application vote on it.

A trial goes on while any application still wants it. After the last checkpoint the same judge says
which serving configurations are still worth measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.tuning.judge.estimate import Estimate
from rightfit.tuning.judge.observed import ObservedTrial, Pool, Serving
from rightfit.tuning.judge.outlook import QUALITY, Outlook, Projection, chance_to_keep, look_ahead
from rightfit.tuning.judge.quality_curve import QualityProjection
from rightfit.tuning.judge.serving_costs import ServingCosts
from rightfit.tuning.judge.stopping_rules import Case, RuleParams, Vote

FIT_SPREAD = 0.1  # of fit metrics, which grow evenly
THREADS = "n_threads"


@dataclass(frozen=True)
class Decision:
    """What became of a look at a trial.

    Args:
        votes: Who let go and why; applications that want the trial are absent.
        outlooks: What each application expects.
        is_stop: Whether nobody wants it any more.
    """

    votes: Mapping[str, Vote]
    outlooks: Mapping[str, Outlook]
    is_stop: bool


class Judge:
    """Votes on trials for all applications.

    Args:
        applications: Who will choose.
        params: The rules, and how sure they have to be.
        servings: Serving configurations that will be measured.
        known_quality: Best quality known for the dataset from elsewhere, such as its other
            families; -inf for none. Limits relative to the best quality count from it.
    """

    def __init__(
        self,
        applications: Mapping[str, Application],
        params: RuleParams,
        servings: Sequence[Serving],
        *,
        known_quality: float,
    ) -> None:
        self.applications = applications
        self.servings = tuple(servings)
        self._params = params
        self._rules = params.make_rules()
        self._known_quality = known_quality
        needed = {m for app in applications.values() for m in app.needed_metrics()}
        phases = {m: METRICS_BY_COLUMN[m].phase for m in needed if m in METRICS_BY_COLUMN}
        self._fit = tuple(sorted(m for m, phase in phases.items() if phase == "fit"))
        self._served = tuple(sorted(set(phases) - set(self._fit) - {QUALITY}))
        self._costs = ServingCosts(self._served, self.servings)
        self._quality = QualityProjection(uses_neighbours=params.uses_neighbours)
        self._pool = Pool((), 0)
        self._known: list[tuple[int, tuple[Serving, ...]]] = []
        self._best_quality = known_quality
        self._incumbents: dict[str, float] = {}
        self._feasible: dict[str, list[ObservedTrial]] = {}
        self._peers: dict[tuple[str, int], list[float]] = {}

    def learn(self, pool: Pool) -> None:
        """Take in what a search has seen so far."""
        self._pool = pool
        known = [(trial.number, tuple(trial.served)) for trial in pool.measured()]
        if known != self._known:  # most trials are stopped, and teach nothing about costs
            self._costs.learn(pool.measured())
            self._known = known
        self._quality.learn(pool)
        qualities = [trial.qualities[-1] for trial in pool.finished()]
        self._best_quality = max([self._known_quality, *qualities])
        self._peers = {}
        for name, application in self.applications.items():
            self._incumbents[name], self._feasible[name] = self._find_feasible(application)

    @property
    def incumbents(self) -> Mapping[str, float]:
        """Highest feasible utility measured so far, by application; -inf while there is none.

        It is weighted with the chance that its quality keeps the limits on other rows too.
        """
        return self._incumbents

    def decide(self, trial: ObservedTrial) -> Decision:
        """Let every application vote on a trial at its latest look."""
        projection = self.project(trial)
        votes, outlooks = {}, {}
        for name in self.applications:
            outlooks[name] = self._look_ahead(name, projection)
            case = Case(
                trial,
                name,
                outlooks[name],
                self._incumbents[name],
                len(trial.qualities) == self._pool.n_checkpoints,
                partial(self._promises, name, trial.last.checkpoint),
            )
            vote = next((v for rule in self._rules if (v := rule.vote(case))), None)
            if vote is not None:
                votes[name] = vote
        return Decision(votes, outlooks, len(votes) == len(self.applications))

    def look_ahead(self, trial: ObservedTrial, application: str) -> Outlook:
        """Return what one application can expect of a trial at its latest look."""
        return self._look_ahead(application, self.project(trial))

    def wanted_servings(self, trial: ObservedTrial, decision: Decision) -> list[Serving]:
        """Return what is worth measuring of a finished trial, the most promising first.

        Args:
            trial: Trained to the end; what was measured of it already is left out.
            decision: The latest on it.
        """
        hopes: dict[Serving, float] = {}
        for name in self.applications:
            if name in decision.votes:
                continue
            incumbent = self._incumbents[name]
            gains = decision.outlooks[name].expect_gains(max(incumbent, 0.0))
            needed = 0.0 if np.isneginf(incumbent) else self._params.measuring_gain
            for serving, gain in zip(self.servings, gains, strict=True):
                if serving not in trial.served and gain > needed:
                    hopes[serving] = max(hopes.get(serving, 0.0), float(gain))
        return sorted(hopes, key=lambda serving: -hopes[serving])

    def project(self, trial: ObservedTrial) -> Projection:
        """Project a trial's final profile."""
        costs = self._costs.predict(trial.last.structure)
        for serving in trial.served:
            position = self.servings.index(serving)
            smooth = self._smooth(trial, serving)
            # What a measured profile lacks can't be measured.
            costs.value[position] = [smooth.get(metric, np.nan) for metric in self._served]
            costs.spread[position] = 0.0
        fit = [trial.last.fit.get(metric) for metric in self._fit]
        rows = [
            [float(threads), *(value or 1.0 for value in fit)] for _, threads, _ in self.servings
        ]
        spreads = [0.0, *(np.inf if value is None else FIT_SPREAD for value in fit)]
        known = Estimate(
            np.array(rows),
            np.tile(spreads, (len(rows), 1)),
            np.full((len(rows), len(spreads)), np.inf),
        )
        return Projection(
            self._quality.project(trial),
            (*self._served, THREADS, *self._fit),
            Estimate(
                *(
                    np.hstack([getattr(part, name) for part in (costs, known)])
                    for name in ("value", "spread", "dof")
                )
            ),
            trial.last.quality_error,
        )

    def _smooth(self, trial: ObservedTrial, serving: Serving) -> dict[str, float]:
        structure = trial.last.structure
        served = trial.served[serving]
        return dict(served) if structure is None else self._costs.smooth(structure, serving, served)

    def _look_ahead(self, name: str, projection: Projection) -> Outlook:
        return look_ahead(
            projection,
            self.applications[name],
            best_quality=self._best_quality,
            limit_confidence=self._params.limit_confidence,
        )

    def _promises(self, name: str, checkpoint: int) -> list[float]:
        """Return what an application's feasible trials promised at a checkpoint."""
        key = (name, checkpoint)
        if key not in self._peers:
            earlier = [
                replace(t, served={}, looks=tuple(x for x in t.looks if x.checkpoint <= checkpoint))
                for t in self._feasible[name]
            ]
            promised = [self._look_ahead(name, self.project(t)).expected for t in earlier]
            self._peers[key] = [value for value in promised if not np.isnan(value)]
        return self._peers[key]

    def _find_feasible(self, application: Application) -> tuple[float, list[ObservedTrial]]:
        """Return the incumbent's utility and the trials that keep all limits."""
        measured = [(t, serving) for t in self._pool.measured() for serving in t.served]
        rows = [
            {
                QUALITY: t.qualities[-1],
                THREADS: serving[1],
                **t.last.fit,
                **self._smooth(t, serving),
            }
            for t, serving in measured
        ]
        if not rows:
            return -np.inf, []
        values = {
            metric: np.array(
                [np.nan if (v := row.get(metric)) is None else v for row in rows], dtype=float
            )
            for metric in application.needed_metrics()
        }
        limits = resolve_limits(application, {QUALITY: np.asarray(self._best_quality)})
        judged = judge_profiles(values, application, limits=limits)
        feasible = {
            t.number: t for (t, _), keeps in zip(measured, judged.feasible, strict=True) if keeps
        }
        errors = np.array([t.last.quality_error for t, _ in measured])
        chance = chance_to_keep(limits, np.array([row[QUALITY] for row in rows]), errors)
        best = float(np.max((judged.utility * chance)[judged.feasible], initial=-np.inf))
        return best, list(feasible.values())
