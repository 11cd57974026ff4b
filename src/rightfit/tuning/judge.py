"""The judge of a search: projects each trial and lets every application vote on it.

A trial goes on while any application still wants it. After the last checkpoint the same judge says
which serving configurations are still worth measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.ranking.applications import Application
from rightfit.ranking.constraints import judge_profiles, resolve_limits
from rightfit.tuning.estimate import Estimate
from rightfit.tuning.observed import ObservedTrial, Pool, Serving
from rightfit.tuning.outlook import QUALITY, Outlook, Projection, look_ahead
from rightfit.tuning.quality_curve import QualityProjection
from rightfit.tuning.rules import Case, Rule, Vote
from rightfit.tuning.serving_costs import ServingCosts

FIT_SPREAD = 0.1  # of fit metrics, which grow evenly
THREADS = "n_threads"


@dataclass(frozen=True)
class JudgeSettings:
    """How sure the judge wants to be.

    Args:
        confidence: One-sided confidence of optimistic ends.
        limit_confidence: The same for limits.
        uses_neighbours: Whether similar hyper-parameters count as a witness of quality.
    """

    confidence: float
    limit_confidence: float
    uses_neighbours: bool


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


@dataclass
class Judge:
    """Votes on trials for all applications.

    Args:
        applications: Who will choose.
        rules: By each of which an application may let go.
        settings: How sure to be.
        servings: Serving configurations that will be measured.
    """

    applications: Mapping[str, Application]
    rules: Sequence[Rule]
    settings: JudgeSettings
    servings: Sequence[Serving]
    _pool: Pool = field(init=False)
    _incumbents: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        needed = {m for app in self.applications.values() for m in app.needed_metrics()}
        self._fit = tuple(
            m
            for m in sorted(needed & set(METRICS_BY_COLUMN))
            if METRICS_BY_COLUMN[m].phase == "fit"
        )
        self._served = tuple(sorted(needed - set(self._fit) - {QUALITY, THREADS}))
        self._costs = ServingCosts(self._served, self.servings)
        self._quality = QualityProjection(uses_neighbours=self.settings.uses_neighbours)

    def learn(self, pool: Pool) -> None:
        """Take in what a search has seen so far."""
        self._pool = pool
        self._costs.learn(pool.measured())
        self._quality.learn(pool)
        self._best_quality = max((t.qualities[-1] for t in pool.finished()), default=-np.inf)
        self._incumbents = {
            name: self._incumbent(application) for name, application in self.applications.items()
        }
        for rule in self.rules:
            rule.learn(pool)

    @property
    def incumbents(self) -> Mapping[str, float]:
        """Highest feasible utility measured so far, by application; -inf while there is none."""
        return self._incumbents

    def decide(self, trial: ObservedTrial) -> Decision:
        """Let every application vote on a trial at its latest look."""
        projection = self.project(trial)
        votes, outlooks = {}, {}
        for name, application in self.applications.items():
            outlooks[name] = look_ahead(
                projection,
                application,
                best_quality=self._best_quality,
                confidence=self.settings.confidence,
                limit_confidence=self.settings.limit_confidence,
            )
            case = Case(trial, name, outlooks[name], self._incumbents[name])
            vote = next((v for rule in self.rules if (v := rule.vote(case))), None)
            if vote is not None:
                votes[name] = vote
        return Decision(votes, outlooks, len(votes) == len(self.applications))

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
            for serving, best in zip(
                self.servings, decision.outlooks[name].optimistic, strict=True
            ):
                margin = best - max(self._incumbents[name], 0.0)
                if serving not in trial.served and margin > 0:
                    hopes[serving] = max(hopes.get(serving, 0.0), float(margin))
        return sorted(hopes, key=lambda serving: -hopes[serving])

    def project(self, trial: ObservedTrial) -> Projection:
        """Project a trial's final profile."""
        costs = self._costs.predict(trial.last.structure)
        for serving, served in trial.served.items():
            position = self.servings.index(serving)
            # What a measured profile lacks can't be measured.
            costs.value[position] = [served.get(metric, np.nan) for metric in self._served]
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
        )

    def _incumbent(self, application: Application) -> float:
        rows = [
            {QUALITY: trial.qualities[-1], THREADS: serving[1], **trial.last.fit, **served}
            for trial in self._pool.measured()
            for serving, served in trial.served.items()
        ]
        if not rows:
            return -np.inf
        values = {
            metric: np.array(
                [np.nan if (v := row.get(metric)) is None else v for row in rows], dtype=float
            )
            for metric in application.needed_metrics()
        }
        limits = resolve_limits(application, {QUALITY: np.asarray(self._best_quality)})
        judged = judge_profiles(values, application, limits=limits)
        return float(np.max(judged.utility[judged.feasible], initial=-np.inf))
