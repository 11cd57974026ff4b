"""The account of a search: what it spent and saved, and what each application got of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.naming import format_metric, metric_name
from rightfit.tuning.pausing.outlook import Outlook
from rightfit.tuning.pausing.standing import Miss
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.demand import Demand
from rightfit.tuning.search.live_pool import read_finished
from rightfit.tuning.search.rest_cost import estimate_rest_s, usual_costs
from rightfit.tuning.studies.budget import spent_cpu_s
from rightfit.tuning.studies.trial_attributes import CURVE, DECIDING_S, is_finished

FEW = 0.5  # of the configurations asked for: fewer need a word

SCHEMA: dict[str, Any] = {
    "application": pl.String,
    "winner": pl.Int64,
    "utility": pl.Float64,
    "nearest_miss": pl.String,
    **dict.fromkeys(("n_trials", "n_complete", "n_stopped"), pl.Int64),
    **dict.fromkeys(("spent_s", "training_s", "saved_s", "deciding_s"), pl.Float64),
    "advice": pl.String,
}


def account_search(
    trials: Sequence[FrozenTrial], cell: Cell, settings: SearchSettings, demand: Demand
) -> pl.DataFrame:
    """Account for a finished search.

    Args:
        trials: All trials of the study.
        cell: What was searched.
        settings: Its budget.
        demand: Who chooses.

    Returns:
        One row per application, in columns of the application and of the whole search. ``winner``
        is null for an application that no trial satisfies; ``nearest_miss`` says by what.
        ``advice`` says what would help a search that ended after few configurations.
    """
    ended = [trial for trial in trials if is_finished(trial)]
    pool = read_finished(ended, cell, n_checkpoints=settings.n_checkpoints)
    outlook = demand.make_rule().survey(pool)
    whole = _account_whole(ended, cell, settings)
    rows = []
    for name in demand.applications.root:
        row: dict[str, Any] = {"application": name}
        if outlook is not None:
            winner, utility = _find_winner(outlook, name)
            miss = outlook.standings[name].nearest if winner is None else None
            row |= {
                "winner": winner,
                "utility": utility,
                "nearest_miss": None
                if miss is None
                else describe_miss(pool.trials[miss.row].number, miss),
            }
        rows.append(row | whole)
    return pl.DataFrame(rows, schema=SCHEMA)


def describe_miss(number: int, miss: Miss) -> str:
    """Say what the trial nearest to an application's limits misses.

    >>> describe_miss(7, Miss(0, "latency_p95_ms", 12.5, 10.0))
    'trial 7 comes nearest, with a latency p95 of 12.5 ms where the limit is 10 ms'
    """
    value, limit = (format_metric(miss.metric, one) for one in (miss.value, miss.bound))
    return (
        f"trial {number} comes nearest, with a {metric_name(miss.metric)} of {value} where the "
        f"limit is {limit}"
    )


def _find_winner(outlook: Outlook, application: str) -> tuple[int | None, float | None]:
    trained = [trial for trial in outlook.pool.trials if outlook.pool.is_trained(trial)]
    values = [(outlook.appraise(trial.number, application), trial.number) for trial in trained]
    utility, number = max(values, default=(-1.0, -1))
    return (number, utility) if utility >= 0 else (None, None)


def _account_whole(
    ended: Sequence[FrozenTrial], cell: Cell, settings: SearchSettings
) -> dict[str, object]:
    stopped = [trial for trial in ended if trial.state == TrialState.PRUNED]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    usual = usual_costs(ended)
    n_checkpoints = settings.n_checkpoints
    return {
        "n_trials": len(ended),
        "n_complete": len(complete),
        "n_stopped": len(stopped),
        "spent_s": spent_cpu_s(ended),
        "training_s": sum(_training_s(trial) for trial in ended),
        "saved_s": None
        if usual is None
        else sum(estimate_rest_s(t, cell, usual, n_checkpoints=n_checkpoints) for t in stopped),
        "deciding_s": sum(trial.user_attrs.get(DECIDING_S, 0.0) for trial in ended),
        "advice": _advise(ended, settings),
    }


def _training_s(trial: FrozenTrial) -> float:
    """Return the CPU seconds that went into training a trial and validating it."""
    curve = trial.user_attrs.get(CURVE)
    return float(curve[-1]["fit_cpu_s"] + curve[-1]["validate_cpu_s"]) if curve else 0.0


def _advise(ended: Sequence[FrozenTrial], settings: SearchSettings) -> str | None:
    if settings.n_trials is None or len(ended) >= FEW * settings.n_trials:
        return None
    return (
        f"ended after {len(ended)} of {settings.n_trials} configurations and "
        f"{spent_cpu_s(ended):.0f} CPU seconds; train on a sample of the rows, or raise "
        f"training.budget_cpu_s"
    )
