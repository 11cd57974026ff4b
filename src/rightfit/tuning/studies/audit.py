"""The audit of a search: what stopping saved, and whether it could have lost a winner.

Two ways of looking at the risk, since what a stopped trial would have come to is not known:

* Would each application's winner have survived, had the trials come in another order? The judge
  votes again on the winner at each of its checkpoints, knowing the trials before it in that order
  as far as they went.
* A random few of the stops were not carried out. Those that became somebody's best were wrong; the
  interval is Clopper and Pearson's (1934).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from optuna.trial import TrialState

from rightfit.profiling.profiles.quality_interval import share_interval
from rightfit.tuning.judge.appraisal import appraise
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.judge.observed import ObservedTrial, Pool
from rightfit.tuning.search.budget import spent_cpu_s
from rightfit.tuning.studies.live_pool import SearchRecord
from rightfit.tuning.studies.rest_cost import estimate_rest_s, usual_costs
from rightfit.tuning.studies.trial_attributes import AUDITED, GAINED, JUDGED

if TYPE_CHECKING:
    from rightfit.tuning.search.search import Cell

SCHEMA: dict[str, Any] = {
    "application": pl.String,
    "winner": pl.Int64,
    "utility": pl.Float64,
    "n_orders": pl.Int64,
    "n_survived": pl.Int64,
    **dict.fromkeys(("n_trials", "n_complete", "n_stopped"), pl.Int64),
    **dict.fromkeys(("spent_s", "saved_s", "judging_s", "measuring_s"), pl.Float64),
    **dict.fromkeys(("n_audited", "n_wrong"), pl.Int64),
    **dict.fromkeys(("wrong_share_low", "wrong_share_high"), pl.Float64),
}


def audit_search(
    search: SearchRecord, cell: Cell, demand: Demand, *, n_orders: int, seed: int
) -> pl.DataFrame:
    """Audit a finished search.

    Args:
        search: What it came to.
        cell: What was searched.
        demand: Who voted.
        n_orders: Random orders in which the winners must survive.
        seed: Seed of the orders.

    Returns:
        One row per application, in columns of the whole search and of the application.
    """
    judge = demand.make_judge(search.pool)
    whole = _audit_whole(search, cell)
    survived: dict[int, int] = {}
    rows = []
    for name in judge.applications:
        utility, winner = max(
            ((appraise(judge, trial, name), trial) for trial in search.complete),
            key=lambda pair: pair[0],
        )
        is_feasible = utility >= 0
        if is_feasible and winner.number not in survived:
            survived[winner.number] = count_survivals(
                winner, search, demand, n_orders=n_orders, seed=seed
            )
        own = {
            "application": name,
            "winner": winner.number if is_feasible else None,
            "utility": utility if is_feasible else None,
            "n_orders": n_orders,
            "n_survived": survived[winner.number] if is_feasible else None,
        }
        rows.append(own | whole)
    return pl.DataFrame(rows, schema=SCHEMA)


def count_survivals(
    trial: ObservedTrial, search: SearchRecord, demand: Demand, *, n_orders: int, seed: int
) -> int:
    """Count the random orders of a search in which a trial would not have been stopped.

    Args:
        trial: A complete trial of the search.
        search: All trials, as far as they went.
        demand: Who votes, and how.
        n_orders: Orders to try.
        seed: Seed of the orders.
    """
    others = [other for other in search.pool.trials if other.number != trial.number]
    complete = {other.number for other in search.complete}
    n_survived = 0
    for order in range(n_orders):
        rng = np.random.default_rng([seed, order])
        n_before = int(rng.integers(len(others) + 1))
        before = [others[i] for i in rng.permutation(len(others))[:n_before]]
        kept = [other for other in before if other.number in complete]
        earlier = SearchRecord((), Pool(before, search.pool.n_checkpoints), kept)
        n_survived += _survives(trial, earlier, demand)
    return n_survived


def _survives(trial: ObservedTrial, earlier: SearchRecord, demand: Demand) -> bool:
    # A judge of its own: hyper-parameters of the projection must not come from another order.
    judge = demand.make_judge(earlier.pool)
    looks = [replace(trial, looks=trial.looks[: n + 1], served={}) for n in range(len(trial.looks))]
    return all(earlier.keeps_anyway(seen) or not judge.decide(seen).is_stop for seen in looks)


def _audit_whole(search: SearchRecord, cell: Cell) -> dict[str, Any]:
    finished = search.trials
    stopped = [trial for trial in finished if trial.state == TrialState.PRUNED]
    audited = [trial for trial in finished if AUDITED in trial.user_attrs]
    n_wrong = sum(bool(trial.user_attrs.get(GAINED)) for trial in audited)
    low, high = share_interval(n_wrong, len(audited)) if audited else (None, None)
    usual = usual_costs(finished)
    judged = [trial.user_attrs[JUDGED] for trial in finished if JUDGED in trial.user_attrs]
    return {
        "n_trials": len(finished),
        "n_complete": len(search.complete),
        "n_stopped": len(stopped),
        "spent_s": spent_cpu_s(finished),
        "saved_s": None
        if usual is None
        else sum(
            estimate_rest_s(trial, cell, usual, n_checkpoints=search.pool.n_checkpoints)
            for trial in stopped
        ),
        "judging_s": sum(entry["judging_s"] for entry in judged),
        "measuring_s": sum(entry["measuring_s"] for entry in judged),
        "n_audited": len(audited),
        "n_wrong": n_wrong,
        "wrong_share_low": low,
        "wrong_share_high": high,
    }
