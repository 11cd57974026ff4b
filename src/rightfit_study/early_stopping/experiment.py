"""The experiment on early stopping: every policy replayed, families of a dataset in sequence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
import polars as pl

from rightfit.ranking.applications.applications import Application, Applications
from rightfit_search.searching.pausing.pausing_params import PausingParams
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets
from rightfit_search.searching.pausing.priors import Prior
from rightfit_study.early_stopping.measuring_rule import MeasuringRule
from rightfit_study.early_stopping.peers import (
    PROMOTED,
    Policy,
    promote_fixed,
    standard_policies,
    train_peer,
)
from rightfit_study.early_stopping.recorded import RecordedCell, learn_elsewhere
from rightfit_study.early_stopping.replay import RecordedSearch, Truth, follow_rule, measure_by_rule
from rightfit_study.early_stopping.shared_work import work_side_by_side

# Two applications that nothing recorded satisfies: one by its costs, one by its quality.
HOPELESS: dict[str, dict[str, Any]] = {
    "too_fast": {"latency_p50_ms": {"max": 1e-6}},
    "too_good": {"quality": {"min": 1.0}},
}

SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("dataset", "model", "kind"), pl.String),
    "setting": pl.Float64,
    "measuring": pl.String,
    "n_trials": pl.Int64,
    "variant": pl.String,
    "order": pl.Int64,
    "application": pl.String,
    **dict.fromkeys(("cost_s", "measuring_s", "full_s", "overhead_s"), pl.Float64),
    "n_trained": pl.Int64,
    **dict.fromkeys(("is_feasible", "is_lost"), pl.Boolean),
    **dict.fromkeys(("best", "reached", "regret", "regret_test"), pl.Float64),
}


@dataclass(frozen=True)
class ReplayTask:
    """One policy on all families of a dataset, in one order.

    Args:
        dataset: Name of the dataset.
        policy: What is replayed.
        order: Seeds the order of the trials and picks that of the families.
        variant: ``""``; ``without_prior``; or a key of ``HOPELESS`` to add that application.
    """

    dataset: str
    policy: Policy
    order: int
    variant: str = ""


@dataclass(frozen=True)
class Experiment:
    """What is replayed.

    Args:
        cells: Recordings.
        applications: Who chooses.
        params: The pausing rule's.
        n_orders: Orders of the trials, and of the families.
        seed: Seed of the orders.
        datasets: Those that are replayed; priors are learnt from all others too.
    """

    cells: Sequence[RecordedCell]
    applications: Mapping[str, Application]
    params: PausingParams
    n_orders: int
    seed: int
    datasets: Sequence[str]

    def tasks(self) -> list[ReplayTask]:
        """Return every part. A pausing search of all trials does not depend on their order."""
        found = []
        for dataset in self.datasets:
            n_families = sum(cell.dataset == dataset for cell in self.cells)
            n_sequences = len(list(itertools.permutations(range(n_families))))
            for policy in standard_policies(self.params.min_gain):
                is_batch = policy.kind in ("pausing", "promotion") and policy.n_trials is None
                n_orders = min(self.n_orders, n_sequences) if is_batch else self.n_orders
                found += [ReplayTask(dataset, policy, order) for order in range(n_orders)]
            ours = Policy("pausing", self.params.min_gain, "rule")
            found += [
                ReplayTask(dataset, ours, 0, variant) for variant in (*HOPELESS, "without_prior")
            ]
        return found


def run_experiment(
    experiment: Experiment, *, n_jobs: int, on_task: Callable[[int, int], None]
) -> pl.DataFrame:
    """Replay all policies.

    Args:
        experiment: What is replayed.
        n_jobs: Processes side by side.
        on_task: Called with the parts done and all of them.

    Returns:
        One row per cell, policy, order and application: what was spent against what training and
        measuring everything costs, and the utility lost against the true winner. ``is_lost``: no
        feasible winner was found although there is one. ``regret_test``: the same for the winners
        by validation, judged on the test rows.
    """
    tasks = experiment.tasks()
    rows: list[dict[str, Any]] = []
    replay = partial(replay_task, experiment)  # all recordings go with it
    parts = work_side_by_side(replay, tasks, n_jobs=n_jobs, n_at_once=8)
    for n_done, part in enumerate(parts, start=1):
        rows += part
        on_task(n_done, len(tasks))
    return pl.DataFrame(rows, schema=SCHEMA)


def replay_task(experiment: Experiment, task: ReplayTask) -> list[dict[str, Any]]:
    """Replay one policy on the families of a dataset, each knowing the best of those before.

    Returns:
        Rows of ``SCHEMA``.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    cells = [cell for cell in experiment.cells if cell.dataset == task.dataset]
    sequences = list(itertools.permutations(cells))
    best_quality = max(cell.best_quality for cell in cells)
    best_tested = max(max(t.test_quality.values()) for cell in cells for t in cell.trials)
    known_quality = -np.inf
    rows = []
    for cell in sequences[task.order % len(sequences)]:
        rng = np.random.default_rng([experiment.seed, task.order])
        n_trials = task.policy.n_trials or len(cell.trials)
        if task.policy.kind == "fewer":
            n_trials = int(task.policy.setting)
        search = RecordedSearch(cell, rng.permutation(len(cell.trials))[:n_trials].tolist())
        _search(experiment, task, search, known_quality)
        known_quality = max(known_quality, search.best_quality())
        truth = Truth(
            cell, experiment.applications, best_quality=best_quality, best_tested=best_tested
        )
        rows += _describe(task, search, truth)
    return rows


def _search(
    experiment: Experiment, task: ReplayTask, search: RecordedSearch, known_quality: float
) -> None:
    policy = task.policy
    applications = dict(experiment.applications)
    if task.variant in HOPELESS:
        some = next(iter(applications.values())).model_dump()
        asked = {**some, "constraints": HOPELESS[task.variant]}
        applications[task.variant] = Application.model_validate(asked)
    params = experiment.params
    if policy.kind == "pausing":
        params = params.model_copy(update={"min_gain": policy.setting})
    prior = learn_elsewhere(search.cell, experiment.cells)
    if task.variant == "without_prior":
        prior = Prior()
    servings = tuple(search.cell.servings)
    targets = ApplicationTargets(Applications(applications), params, servings, known_quality, prior)
    rule = MeasuringRule(targets)
    if policy.kind == "pausing":
        follow_rule(search, rule)
        return
    if policy.kind == "promotion":
        promote_fixed(search, rule, PROMOTED[int(policy.setting)])
    else:
        train_peer(search, policy)
    if policy.measuring == "all":
        search.measure_all()
    else:
        measure_by_rule(search, rule)


def _describe(task: ReplayTask, search: RecordedSearch, truth: Truth) -> list[dict[str, Any]]:
    measured = search.measured()
    pool = search.pool()
    shared: dict[str, Any] = {
        "dataset": search.cell.dataset,
        "model": search.cell.model,
        **asdict(task.policy),
        "n_trials": len(search.order),
        "variant": task.variant,
        "order": task.order,
        "cost_s": search.cost_s,
        "measuring_s": search.measuring_s,
        # of as many trials, where fewer are recorded than could be
        "full_s": search.cell.total_s
        * (1.0 if task.policy.n_trials is None else len(search.order) / len(search.cell.trials)),
        "overhead_s": search.overhead_s,
        "n_trained": sum(pool.is_trained(trial) for trial in pool.trials),
    }
    rows = []
    for name in truth.applications:
        among = None if task.policy.n_trials is None else search.order
        best, reached = truth.best(name, among), truth.reached(name, measured)
        is_feasible, is_lost = bool(np.isfinite(best)), bool(np.isneginf(reached))
        tested, whole = truth.tested(name, measured), truth.tested(name)
        rows.append(
            shared
            | {
                "application": name,
                "is_feasible": is_feasible,
                "is_lost": is_feasible and is_lost,
                "best": best if is_feasible else None,
                "reached": None if is_lost else reached,
                "regret": best - (0.0 if is_lost else reached) if is_feasible else None,
                "regret_test": whole - (0.0 if np.isnan(tested) else tested)
                if is_feasible and not np.isnan(whole)
                else None,
            }
        )
    return rows
