"""Replayed searches that end at a budget, as those of the main job do."""

from __future__ import annotations

import itertools
from statistics import fmean

import numpy as np
import polars as pl

from rightfit.ranking.applications.applications import Applications
from rightfit.searching.pausing.pausing_rule import ApplicationTargets, PausingRule
from rightfit_study.early_stopping.experiment import Experiment
from rightfit_study.early_stopping.recorded import RecordedCell, learn_elsewhere
from rightfit_study.early_stopping.replay import RecordedSearch, Truth, do_step


def compare_within(experiment: Experiment, *, budget_s: float, breadth: float) -> pl.DataFrame:
    """Replay pausing and plain training at the same budget.

    As in a live search, pausing trains its first configuration to the end, then first looks take
    their share. Plain training gets as much, and ends after the training that exceeds it.

    Args:
        experiment: Recordings, applications and orders.
        budget_s: Seconds of training.
        breadth: Share of the budget that first looks take at most.

    Returns:
        One row per cell, order and method: ``n_begun``, ``n_trained``, ``cost_s`` and ``regret``,
        the utility lost by the best trained configuration, as if all that is trained were measured;
        mean over the applications that something recorded satisfies.
    """
    rows = []
    cells = [cell for cell in experiment.cells if cell.dataset in experiment.datasets]
    for cell, order in itertools.product(cells, range(experiment.n_orders)):
        rng = np.random.default_rng([experiment.seed, order])
        trials = rng.permutation(len(cell.trials)).tolist()
        siblings = [other for other in experiment.cells if other.dataset == cell.dataset]
        best = max(other.best_quality for other in siblings)
        known = max((o.best_quality for o in siblings if o is not cell), default=-np.inf)
        prior = learn_elsewhere(cell, experiment.cells)
        targets = ApplicationTargets(
            Applications(experiment.applications),
            experiment.params,
            tuple(cell.servings),
            known,
            prior,
        )
        rule = PausingRule(targets)
        truth = Truth(cell, experiment.applications, best_quality=best, best_tested=1.0)
        paused, plain = RecordedSearch(cell, trials), RecordedSearch(cell, trials)
        follow_within(paused, rule, budget_s=budget_s, breadth=breadth)
        train_within(plain, budget_s)
        for method, search in (("pausing", paused), ("none", plain)):
            rows.append(_describe(cell, order, method, search, truth))
    return pl.DataFrame(rows)


def follow_within(
    search: RecordedSearch, rule: PausingRule, *, budget_s: float, breadth: float
) -> None:
    """Let the pausing rule run a search until its budget is spent."""
    search.train(0)
    first_s, n_begun = search.training_s, 1
    while not search.pool().is_trained(search.pool().trials[0]):
        search.train(0)
    while n_begun < len(search.order):
        usual_s = first_s / n_begun
        if first_s + usual_s > breadth * budget_s:
            break
        if search.cost_s + usual_s > budget_s:
            break
        before_s = search.training_s
        search.train(n_begun)
        first_s += search.training_s - before_s
        n_begun += 1
    while (forecast := rule.forecast(search.pool())) is not None:
        left_s = budget_s - search.cost_s
        step = forecast.choose(left_s)
        if step is not None:
            do_step(search, step)
        elif n_begun < len(search.order) and forecast.usual_s <= left_s:
            search.train(n_begun)
            n_begun += 1
        else:
            return


def train_within(search: RecordedSearch, budget_s: float) -> None:
    """Train one configuration after the other to the end until the budget is spent."""
    for number in range(len(search.order)):
        if search.cost_s >= budget_s:
            return
        while not search.pool().is_trained(search.pool().trials[number]):
            search.train(number)


def _describe(
    cell: RecordedCell, order: int, method: str, search: RecordedSearch, truth: Truth
) -> dict[str, str | int | float]:
    pool = search.pool()
    trained = [search.order[t.number] for t in pool.trials if pool.is_trained(t)]
    regrets = []
    for name in truth.applications:
        best = truth.best(name)
        if np.isfinite(best):
            regrets.append(best - max(truth.best(name, trained), 0.0))
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "order": order,
        "method": method,
        "n_begun": sum(bool(trial.qualities) for trial in pool.trials),
        "n_trained": len(trained),
        "cost_s": search.cost_s,
        "regret": fmean(regrets),
    }
