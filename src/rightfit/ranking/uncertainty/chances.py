"""Chances: how probably a candidate is the best feasible one, by simulated measurements."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rightfit.ranking.applications.constraints import Limit, judge_profiles
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.contest.order import fold_feasibility
from rightfit.ranking.uncertainty.spread import Z_OF_INTERVALS

_VALUES_AT_ONCE = 4_000_000


def simulate_best(
    contest: Contest, candidates: Ints, *, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Estimate how probably each of some candidates of one dataset is the best feasible one.

    Each draw moves every metric within its interval, taken as a normal distribution whose two
    halves may differ in width, independently of the others. Equal ones share a draw.

    Args:
        contest: All candidates with their chosen profiles.
        candidates: Numbers of those to compare, all of one dataset.
        n_draws: Number of simulated measurements.
        rng: Source of randomness.

    Returns:
        Probabilities, shape (n_compared,); they sum to the probability that any is feasible.
    """
    wins = np.zeros(len(candidates))
    step = max(1, _VALUES_AT_ONCE // max(len(candidates), 1))
    for start in range(0, n_draws, step):
        draw = _Draw(contest, contest.chosen[candidates], min(step, n_draws - start), rng)
        judged = judge_profiles(draw.values(), contest.application, limits=draw.limits())
        level = fold_feasibility(judged.utility, judged.feasible)
        best = (level == level.max(axis=1, keepdims=True)) & judged.feasible
        wins += (best / np.maximum(best.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    return wins / n_draws


@dataclass(frozen=True)
class _Draw:
    """Simulated measurements of some profiles; every array has the shape (n_draws, n_rows)."""

    contest: Contest
    rows: Ints
    n_draws: int
    rng: np.random.Generator

    def values(self) -> dict[str, Floats]:
        application = self.contest.application
        logs = {name for name, goal in application.weighted().items() if goal.scale == "log"}
        return {
            metric: self._draw(metric, self.rows, in_logs=metric in logs)
            for metric in application.needed_metrics()
        }

    def limits(self) -> tuple[Limit, ...]:
        return tuple(self._draw_limit(limit) for limit in self.contest.limits)

    def _draw(self, metric: str, rows: Ints, *, in_logs: bool) -> Floats:
        table, shape = self.contest.table, (self.n_draws, len(rows))
        value, interval = table.values(metric)[rows], table.interval(metric)
        if interval is None:
            return np.broadcast_to(value, shape)
        low, high = interval[0][rows], interval[1][rows]
        in_logs = in_logs and bool((np.fmin(low, value) > 0).all())
        if in_logs:
            low, value, high = np.log(low), np.log(value), np.log(high)
        steps = self.rng.standard_normal(shape) / Z_OF_INTERVALS
        drawn = value + np.where(steps < 0, steps * (value - low), steps * (high - value))
        return np.exp(drawn) if in_logs else drawn

    def _draw_limit(self, limit: Limit) -> Limit:
        """Move the best measured quality, to which a degradation relates, with its own error."""
        table = self.contest.table
        at_rows = limit.at(self.rows)
        if limit.kind != "max_degradation" or table.interval(limit.metric) is None:
            return at_rows
        value, best = table.values(limit.metric), table.best_by_dataset(limit.metric)
        dataset = table.dataset_of_row == table.dataset_of_row[self.rows[0]]
        holder = np.flatnonzero(dataset & (value == best))[:1]
        shift = self._draw(limit.metric, holder, in_logs=False) - best[holder]
        is_best = value[self.rows] == best[self.rows]
        return replace(limit, bound=np.where(is_best, -np.inf, at_rows.bound + shift))
