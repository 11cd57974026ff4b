"""Selection probability: how probably no other candidate is better by more than practical equality.

That is the region of practical equivalence of Bayesian comparisons (Kruschke, Advances in Methods
and Practices in Psychological Science 1, 2018; Benavoli et al., Journal of Machine Learning
Research 18, 2017), by simulation of the measuring errors. The same simulation says which candidates
may be the best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.profile import LEVEL_ERROR
from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.constraints import Limit, judge_profiles
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.assessment.configurations import is_practically_equal
from rightfit.ranking.uncertainty.paired_comparison import draw_together, standardise_deviations
from rightfit.ranking.uncertainty.spread import Z_OF_INTERVALS

_VALUES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Simulation:
    """Simulated measurements of some candidates of one dataset, summed up.

    Args:
        p_best: Probability that each is feasible, and no other feasible one is better by
            ``equal_within`` or more; practically equal ones may all have a high one. Shape (n,).
        p_feasible: Probability that it is feasible.
        covariance: Of the errors of the utilities, shape (n, n).
    """

    p_best: Floats
    p_feasible: Floats
    covariance: Floats

    def find_possible_best(self, utility: Floats, confidence_level: float) -> Bools:
        """Tell which candidates may be the best, the true one among them at the level asked for.

        Comparisons with the best (Hsu, Annals of Statistics 12, 1984): the truly best candidate is
        missed only if one of the others seems surely better than it, so the level is corrected for
        the others, not for all pairs, and for one side. Candidates that another one surely beats
        are no rivals any more: the rest is compared again, at the level for that smaller number
        (the model confidence set, Hansen, Lunde and Nason, Econometrica 79, 2011).

        Args:
            utility: As measured, shape (n,).
            confidence_level: Of all comparisons together (Bonferroni).
        """
        n_before, remaining = 0, np.arange(len(utility))
        while len(remaining) != n_before:
            n_before = len(remaining)
            tail = (1 - confidence_level) / max(n_before - 1, 1)
            covariance = self.covariance[np.ix_(remaining, remaining)]
            variance = np.diag(covariance)
            squared = np.maximum(variance[:, None] + variance - 2 * covariance, 0.0)
            gap = utility[remaining][:, None] - utility[remaining]
            sure = self.p_feasible[remaining][:, None] >= 1 - tail
            maybe = self.p_feasible[remaining] > tail
            is_higher = gap > NormalDist().inv_cdf(1 - tail) * np.sqrt(squared)
            is_better = (sure & ~maybe) | (is_higher & (sure | ~maybe))
            remaining = remaining[~is_better.any(axis=0)]
        return np.isin(np.arange(len(utility)), remaining)


def simulate(
    assessment: Assessment, candidates: Ints, *, n_draws: int, rng: np.random.Generator
) -> Simulation:
    """Simulate measuring some candidates of one dataset again.

    Each draw moves every metric within its interval, taken as a normal distribution whose two
    halves may differ in width, independently of the others but for qualities, which are paired, for
    costs of twins, which are one and the same, and for the machine's usual speed, which moves all
    times and rates together.
    """
    n = len(candidates)
    n_best, n_feasible, total, products = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros((n, n))
    step = max(1, _VALUES_AT_ONCE // max(n, 1))
    for start in range(0, n_draws if n else 0, step):
        draw = _Draw(assessment, assessment.chosen[candidates], min(step, n_draws - start), rng)
        judged = judge_profiles(draw.values(), assessment.application, limits=draw.limits())
        reached = np.where(judged.feasible, judged.utility, -np.inf)
        highest = reached.max(axis=1, keepdims=True)
        near = is_practically_equal(reached, highest, assessment.rules.equal_within)
        n_best += (near & judged.feasible).sum(axis=0)
        n_feasible += judged.feasible.sum(axis=0)
        errors = judged.utility - assessment.utility[candidates]
        total += errors.sum(axis=0)
        products += errors.T @ errors
    mean = total / n_draws
    return Simulation(
        n_best / n_draws, n_feasible / n_draws, products / n_draws - np.outer(mean, mean)
    )


@dataclass(frozen=True)
class _Draw:
    """Simulated measurements of some profiles; every array has the shape (n_draws, n_rows)."""

    assessment: Assessment
    rows: Ints
    n_draws: int
    rng: np.random.Generator

    def values(self) -> dict[str, Floats]:
        application = self.assessment.application
        logs = {name for name, goal in application.weighted().items() if goal.scale == "log"}
        values = {}
        for metric in application.needed_metrics():
            if metric in QUALITIES:
                steps = self._quality_steps[:, : len(self.rows)]
            else:
                steps = self.rng.standard_normal((self.n_draws, len(self.rows)))
                steps = steps[:, self._first_twins]
            values[metric] = self._draw(metric, self.rows, steps, in_logs=metric in logs)
            # a limit may be on the number of threads, which is no metric
            if metric in METRICS_BY_COLUMN and METRICS_BY_COLUMN[metric].shares == "drift":
                values[metric] = values[metric] * self._levels
        return values

    def limits(self) -> tuple[Limit, ...]:
        table = self.assessment.table
        limits = [limit.at(self.rows) for limit in self.assessment.limits]
        for position, limit in enumerate(limits):
            if limit.kind != "max_degradation" or table.interval(limit.metric) is None:
                continue
            # the best measured quality, to which a degradation relates, moves with its own error
            value = table.values(limit.metric)
            best = value[self._best]
            if not len(best):
                continue
            steps = self._quality_steps[:, len(self.rows) :]
            shift = self._draw(limit.metric, self._best, steps, in_logs=False) - best
            bound = np.where(value[self.rows] == best, -np.inf, limit.bound + shift)
            limits[position] = replace(limit, bound=bound)
        return tuple(limits)

    @cached_property
    def _first_twins(self) -> Ints:
        """Position of the first row of each row's cost class, whose errors of costs it has."""
        classes = self.assessment.table.cost_class_of_row[self.rows]
        _, firsts, numbers = np.unique(classes, return_index=True, return_inverse=True)
        return firsts[numbers]

    @cached_property
    def _levels(self) -> Floats:
        """Factors of the machine's usual speed, which all times of a draw share."""
        errors = np.nan_to_num(self.assessment.table.values(LEVEL_ERROR)[self.rows])
        steps = self.rng.standard_normal((self.n_draws, 1)) / Z_OF_INTERVALS
        return np.exp(steps * np.log1p(errors / 100))

    @cached_property
    def _quality_steps(self) -> Floats:
        """Errors of the rows' qualities, and of the best one, in standard deviations."""
        rows = np.concatenate([self.rows, self._best])
        scaled = standardise_deviations(self.assessment.table, rows)
        return draw_together(scaled, (self.n_draws, len(rows)), self.rng)

    @cached_property
    def _best(self) -> Ints:
        """Row of the best quality of the dataset, which relative limits relate to; in an array."""
        table = self.assessment.table
        for limit in self.assessment.limits:
            if limit.kind == "max_degradation":
                dataset = table.dataset_of_row == table.dataset_of_row[self.rows[0]]
                value = np.where(dataset, table.values(limit.metric), np.nan)
                return np.flatnonzero(value == np.fmax.reduce(value))[:1]
        return np.empty(0, dtype=np.int64)

    def _draw(self, metric: str, rows: Ints, steps: Floats, *, in_logs: bool) -> Floats:
        table = self.assessment.table
        value, interval = table.values(metric)[rows], table.interval(metric)
        if interval is None:
            return np.broadcast_to(value, steps.shape)
        low, high = interval[0][rows], interval[1][rows]
        in_logs = in_logs and bool((np.fmin(low, value) > 0).all())
        if in_logs:
            low, value, high = np.log(low), np.log(value), np.log(high)
        shares = steps / Z_OF_INTERVALS
        drawn = value + np.where(shares < 0, shares * (value - low), shares * (high - value))
        return np.exp(drawn) if in_logs else drawn
