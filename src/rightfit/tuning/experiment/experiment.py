"""The experiment on early stopping: every policy replayed over many orders of the same trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import optuna
import polars as pl

from rightfit.ranking.applications.applications import Application
from rightfit.tuning.experiment.policies import (
    JudgePolicy,
    NoStopping,
    PrunerPolicy,
    UtilityPrunerPolicy,
)
from rightfit.tuning.experiment.recorded import RecordedCell
from rightfit.tuning.experiment.replay import Outcome, Policy, Truth, replay
from rightfit.tuning.experiment.validation_noise import validate_again
from rightfit.tuning.judge.stopping_rules import RuleParams

ALL = "all"  # the scope in which every application is served at once
JUDGE = "judge"
NONE = "none"
MEDIAN_ON_UTILITY = "optuna_median_on_utility"

MakePolicy = Callable[[Mapping[str, Application]], Policy]

_SCHEMA: dict[str, Any] = {
    "cell": pl.String,
    "policy": pl.String,
    "scope": pl.String,
    "order": pl.Int64,
    "application": pl.String,
    "cost_s": pl.Float64,
    "full_s": pl.Float64,
    "clairvoyant_s": pl.Float64,
    "overhead_s": pl.Float64,
    "n_complete": pl.Int64,
    "is_feasible": pl.Boolean,
    "is_lost": pl.Boolean,
    "regret": pl.Float64,
}


@dataclass(frozen=True)
class Experiment:
    """What is replayed.

    Args:
        cells: Recordings.
        applications: Who chooses.
        policies: How to make each policy, by name.
        n_orders: Random orders of the trials, the same ones for every policy.
        seed: Seed of the orders.
        luck: Standard deviation of the luck in each trial's validation; 0: what was recorded is
            what a policy sees.
        knows_luck: Whether the judge knows that deviation.
    """

    cells: Sequence[RecordedCell]
    applications: Mapping[str, Application]
    policies: Mapping[str, MakePolicy]
    n_orders: int
    seed: int
    luck: float = 0.0
    knows_luck: bool = True

    def tasks(self) -> list[tuple[int, str, str]]:
        """Return (cell, policy, scope) of every part.

        The judge serves all applications at once and each alone; a pruner on utility can serve only
        one; the others do not look at applications.
        """
        scopes = {name: [ALL] for name in self.policies}
        if JUDGE in scopes:
            scopes[JUDGE] += list(self.applications)
        if MEDIAN_ON_UTILITY in scopes:
            scopes[MEDIAN_ON_UTILITY] = list(self.applications)
        return [
            (cell, name, scope)
            for cell, name in product(range(len(self.cells)), self.policies)
            for scope in scopes[name]
        ]


def standard_policies(rules: RuleParams) -> dict[str, MakePolicy]:
    """Return our judge, Optuna's pruners on validation quality and on a utility, and none.

    Args:
        rules: The judge's.
    """
    pruners: dict[str, Callable[[int], optuna.pruners.BasePruner]] = {
        "optuna_median": lambda n: optuna.pruners.MedianPruner(),  # noqa: ARG005
        "optuna_halving": lambda n: optuna.pruners.SuccessiveHalvingPruner(),  # noqa: ARG005
        "optuna_hyperband": lambda n: optuna.pruners.HyperbandPruner(1, n, reduction_factor=2),
    }
    return {
        NONE: lambda applications: NoStopping(),  # noqa: ARG005
        JUDGE: lambda applications: JudgePolicy(applications, rules),
        MEDIAN_ON_UTILITY: lambda applications: UtilityPrunerPolicy(
            pruners["optuna_median"], applications, rules
        ),
        **{
            name: lambda applications, make=make: PrunerPolicy(make)  # type: ignore[misc]  # noqa: ARG005
            for name, make in pruners.items()
        },
    }


def run_experiment(
    make_experiment: Callable[..., Experiment],
    arguments: Mapping[str, Any],
    *,
    n_workers: int,
    on_task: Callable[[int, int], None],
) -> pl.DataFrame:
    """Replay all policies.

    Args:
        make_experiment: A function of some module; each process calls it.
        arguments: Its arguments.
        n_workers: Processes side by side.
        on_task: Called with the parts done and all of them.

    Returns:
        One row per cell, policy, scope, order and application: what was spent against what no
        stopping and a clairvoyant would spend, and the utility lost against the true winner.
        ``is_lost``: no feasible winner was found although there is one.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tasks = make_experiment(**arguments).tasks()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(
        n_workers,
        mp_context=get_context("spawn"),
        initializer=_prepare,
        initargs=(make_experiment, dict(arguments)),
    ) as pool:
        for n_done, part in enumerate(pool.map(_run_task, tasks), start=1):
            rows += part
            on_task(n_done, len(tasks))
    return pl.DataFrame(rows, schema=_SCHEMA)


def replay_task(experiment: Experiment, task: tuple[int, str, str]) -> list[dict[str, Any]]:
    """Replay one policy on one cell over all orders.

    Args:
        experiment: What is replayed.
        task: Position of the cell, policy and scope.
    """
    position, policy, scope = task
    cell = experiment.cells[position]
    chosen = {
        name: application
        for name, application in experiment.applications.items()
        if scope in (ALL, name)
    }
    truth = Truth(cell, chosen)
    rows = []
    for order in range(experiment.n_orders):
        rng = np.random.default_rng([experiment.seed, order])
        trials = rng.permutation(len(cell.trials)).tolist()
        if experiment.luck:
            seen = validate_again(cell, experiment.luck, rng, is_known=experiment.knows_luck)
        else:
            seen = cell
        outcome = replay(seen, trials, experiment.policies[policy](chosen), judges=truth)
        keys = {"cell": cell.name, "policy": policy, "scope": scope, "order": order}
        rows += [keys | row for row in _describe(outcome, truth)]
    return rows


def _describe(outcome: Outcome, truth: Truth) -> list[dict[str, Any]]:
    shared = {
        "cost_s": outcome.cost_s,
        "full_s": sum(trial.total_s for trial in truth.cell.trials),
        "clairvoyant_s": truth.clairvoyant_s(),
        "overhead_s": outcome.overhead_s,
        "n_complete": sum(ending.checkpoint is None for ending in outcome.endings),
    }
    rows = []
    for name, winner in outcome.winners.items():
        best = truth.best(name)
        rows.append(
            shared
            | {
                "application": name,
                "is_feasible": best is not None,
                "is_lost": best is not None and winner is None,
                "regret": truth.value_of(name, best) - truth.value_of(name, winner),
            }
        )
    return rows


_here: list[Experiment] = []


def _prepare(make_experiment: Callable[..., Experiment], arguments: dict[str, Any]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _here[:] = [make_experiment(**arguments)]


def _run_task(task: tuple[int, str, str]) -> list[dict[str, Any]]:
    return replay_task(_here[0], task)
