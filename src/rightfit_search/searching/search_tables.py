"""A finished search as tables: its trials, their checkpoints, and its account by application."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean
from typing import Any

import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.measuring.naming import format_metric, metric_name
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.observing import read_finished
from rightfit_search.searching.pausing.expected_utility import Miss
from rightfit_search.searching.pausing.pausing_rule import (
    ApplicationTargets,
    PausingRule,
    SearchForecast,
)
from rightfit_search.searching.pausing.priors import predict_rows_per_s
from rightfit_search.searching.studies.budget import spent_cpu_s
from rightfit_search.searching.studies.trial_attributes import (
    ASKED_BY,
    CONFIGURATION,
    CURVE,
    MODEL_SIZE_MIB,
    STOP_CHECKPOINT,
    STOP_REASON,
    STOP_RULE,
    STOPPED_BY,
    Spent,
    finished_trials,
    is_finished,
)

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
}

TRIAL_SCHEMA: dict[str, Any] = {
    "number": pl.Int64,
    "application": pl.String,
    "state": pl.String,
    "stop_checkpoint": pl.Int64,
    "stop_rule": pl.String,
    "stop_reason": pl.String,
    "stopped_by": pl.String,
    "params": pl.String,
    "quality": pl.Float64,
    "quality_raw": pl.Float64,
    **dict.fromkeys(FIT_COLUMNS, pl.Float64),
    "model_size_mib": pl.Float64,
    "usual_rows_per_s": pl.Float64,
    "compute_s": pl.Float64,
    "saved_s": pl.Float64,
}

CURVE_SCHEMA: dict[str, Any] = {
    "number": pl.Int64,
    "checkpoint": pl.Int64,
    "n_steps": pl.Int64,
    "quality": pl.Float64,
    "quality_raw": pl.Float64,
    **dict.fromkeys(FIT_COLUMNS, pl.Float64),
    "fit_cpu_s": pl.Float64,
}

ACCOUNT_SCHEMA: dict[str, Any] = {
    "application": pl.String,
    "winner": pl.Int64,
    "utility": pl.Float64,
    "nearest_miss": pl.String,
    **dict.fromkeys(("n_trials", "n_complete", "n_stopped"), pl.Int64),
    **dict.fromkeys(("spent_s", "training_s", "saved_s", "deciding_s"), pl.Float64),
    "ended_early": pl.String,
}

FEW_SHARE = 0.5  # of the configurations asked for: fewer need a word


def tabulate_failure(reason: str) -> pl.DataFrame:
    """Return the trials of a search that could not begin: one, which failed for that reason."""
    row = {"number": 0, "state": STATES[TrialState.FAIL], "stop_reason": reason}
    return pl.DataFrame([row], schema=TRIAL_SCHEMA)


def tabulate_trials(study: optuna.Study, cell: Cell, *, n_checkpoints: int) -> pl.DataFrame:
    """Return one row per finished trial, stopped and failed ones included.

    ``quality`` and the fit metrics of a stopped trial are those at its last checkpoint.
    ``application`` is who asked for the trial; null where a sampler drew it for nobody in
    particular; ``stop_rule`` is what stopped one, ``stopped_by`` who let it go last. ``saved_s``
    estimates what finishing a stopped trial would have cost. ``usual_rows_per_s`` is what a model
    of the same structure usually answers in ONNX on one thread: not measured, so the same in every
    run.
    """
    finished = finished_trials(study)
    rests = estimate_rests(finished, cell, n_checkpoints=n_checkpoints) or {}
    rows = []
    for trial in finished:
        record = trial.user_attrs
        last = record[CURVE][-1] if record.get(CURVE) else {}
        raw = last.get("quality_raw")
        rows.append(
            {
                "number": trial.number,
                "application": record.get(ASKED_BY),
                "state": STATES[trial.state],
                "stop_checkpoint": record.get(STOP_CHECKPOINT),
                "stop_rule": record.get(STOP_RULE),
                "stop_reason": record.get(STOP_REASON),
                "stopped_by": record.get(STOPPED_BY),
                "params": json.dumps(record.get(CONFIGURATION, trial.params)),
                "quality": None if raw is None else cell.quality.scale(raw),
                "quality_raw": raw,
                **{column: last.get(column) for column in FIT_COLUMNS},
                "model_size_mib": record.get(MODEL_SIZE_MIB),
                "usual_rows_per_s": predict_rows_per_s(cell.family, last["structure"])
                if last
                else None,
                "compute_s": Spent.of(trial).compute_s or None,
                "saved_s": rests.get(trial.number),
            }
        )
    return pl.DataFrame(rows, schema=TRIAL_SCHEMA)


def tabulate_curves(study: optuna.Study, quality: QualityMetric) -> pl.DataFrame:
    """Return one row per finished trial and checkpoint, costs added up from the trial's start."""
    rows = [
        {"number": trial.number, "quality": quality.scale(point["quality_raw"]), **point}
        for trial in finished_trials(study)
        for point in trial.user_attrs.get(CURVE, [])
    ]
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


def account_search(
    trials: Sequence[FrozenTrial], cell: Cell, settings: SearchSettings, targets: ApplicationTargets
) -> pl.DataFrame:
    """Account for a finished search.

    Args:
        trials: All trials of the study.
        cell: What was searched.
        settings: Its budget.
        targets: Who chooses.

    Returns:
        One row per application, in columns of the application and of the whole search. ``winner``
        is null for an application that no trial satisfies; ``nearest_miss`` says by what.
        ``ended_early`` tells of a search that spent its budget on few configurations.
    """
    n_checkpoints = settings.n_checkpoints
    ended = [trial for trial in trials if is_finished(trial)]
    rests, ended_early = estimate_rests(ended, cell, n_checkpoints=n_checkpoints), None
    if settings.n_trials is not None and len(ended) < FEW_SHARE * settings.n_trials:
        ended_early = (
            f"ended after {len(ended)} of {settings.n_trials} configurations and "
            f"{spent_cpu_s(ended):.0f} CPU seconds"
        )
    whole = {
        "n_trials": len(ended),
        "n_complete": sum(trial.state == TrialState.COMPLETE for trial in ended),
        "n_stopped": sum(trial.state == TrialState.PRUNED for trial in ended),
        "spent_s": spent_cpu_s(ended),
        "training_s": sum(_training_s(trial) for trial in ended),
        "saved_s": None if rests is None else sum(rests.values()),
        "deciding_s": sum(Spent.of(trial).deciding_s for trial in ended),
        "ended_early": ended_early,
    }
    pool = read_finished(trials, cell, n_checkpoints=n_checkpoints)
    forecast = PausingRule(targets).forecast(pool)
    rows = []
    for name in targets.applications:
        row: dict[str, Any] = {"application": name}
        if forecast is not None:
            row["winner"], row["utility"] = _find_winner(forecast, name)
            miss = forecast.utilities[name].nearest
            if row["winner"] is None and miss is not None:
                row["nearest_miss"] = describe_miss(pool.trials[miss.row].number, miss)
        rows.append(row | whole)
    return pl.DataFrame(rows, schema=ACCOUNT_SCHEMA)


def estimate_rests(
    trials: Sequence[FrozenTrial], cell: Cell, *, n_checkpoints: int
) -> dict[int, float] | None:
    """Estimate what finishing each stopped trial would have cost.

    Its training goes on at its own pace; one that had not begun is taken for a usual one. What
    follows the training, writing, costs what it does on average.

    Args:
        trials: Finished trials.
        cell: What was searched.
        n_checkpoints: Looks of a whole training.

    Returns:
        CPU seconds by the trial's number; ``None`` without a complete trial.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.user_attrs.get(CURVE)]
    if not complete:
        return None
    trainings_s = [_training_s(trial) for trial in complete]
    ending_s = mean(
        max(0.0, spent.compute_s - spent.deciding_s - training_s)
        for spent, training_s in zip(map(Spent.of, complete), trainings_s, strict=True)
    )
    usual_s, family = mean(trainings_s), get_family(cell.family)
    rests = {}
    for trial in trials:
        if trial.state != TrialState.PRUNED:
            continue
        rest_s, curve = usual_s, trial.user_attrs.get(CURVE, [])
        if curve:
            configuration, reached = trial.user_attrs[CONFIGURATION], curve[-1]["checkpoint"]
            ratio = family.steps_ratio(configuration, reached, n_checkpoints)
            rest_s = _training_s(trial) * (ratio - 1)
        rests[trial.number] = rest_s + ending_s
    return rests


def describe_miss(number: int, miss: Miss) -> str:
    """Say what the trial nearest to an application's limits misses.

    >>> describe_miss(7, Miss(0, "latency_p95_ms", 12.5, 10.0))
    'trial 7 comes nearest, with a latency p95 of 12.5 ms where the limit is 10 ms'
    """
    value, limit = (format_metric(miss.metric, figure) for figure in (miss.value, miss.bound))
    return (
        f"trial {number} comes nearest, with a {metric_name(miss.metric)} of {value} where the "
        f"limit is {limit}"
    )


def _find_winner(forecast: SearchForecast, application: str) -> tuple[int | None, float | None]:
    trained = [trial for trial in forecast.pool.trials if forecast.pool.is_trained(trial)]
    values = [(forecast.appraise(trial.number, application), trial.number) for trial in trained]
    utility, number = max(values, default=(-1.0, -1))
    return (number, utility) if utility >= 0 else (None, None)


def _training_s(trial: FrozenTrial) -> float:
    """Return the CPU seconds that went into training a trial and validating it."""
    curve = trial.user_attrs.get(CURVE)
    return float(curve[-1]["fit_cpu_s"] + curve[-1]["validate_cpu_s"]) if curve else 0.0
