"""A finished search as tables: one row per trial, one row per checkpoint."""

from __future__ import annotations

import json
from typing import Any

import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.quality.metric import QualityMetric
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.search.fit_meter import FIT_COLUMNS
from rightfit.tuning.search.rest_cost import estimate_rest_s, usual_costs
from rightfit.tuning.studies.trial_attributes import (
    ASKED_BY,
    STOP_CHECKPOINT,
    STOP_REASON,
    STOPPED_BY,
    finished_trials,
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
    "stop_reason": pl.String,
    "stopped_by": pl.String,
    "params": pl.String,
    "quality": pl.Float64,
    "quality_raw": pl.Float64,
    **dict.fromkeys(FIT_COLUMNS, pl.Float64),
    "model_size_mib": pl.Float64,
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


def tabulate_failure(reason: str) -> pl.DataFrame:
    """Return the trials of a search that could not begin: one, which failed for that reason."""
    row = {"number": 0, "state": STATES[TrialState.FAIL], "stop_reason": f"failed: {reason}"}
    return pl.DataFrame([row], schema=TRIAL_SCHEMA)


def tabulate_trials(study: optuna.Study, cell: Cell, *, n_checkpoints: int) -> pl.DataFrame:
    """Return one row per finished trial, stopped and failed ones included.

    ``quality`` and the fit metrics of a stopped trial are those at its last checkpoint.
    ``application`` is who asked for the trial; null where a sampler drew it for nobody in
    particular; ``stopped_by`` is who let a stopped one go last. ``saved_s`` estimates what
    finishing a stopped trial would have cost.
    """
    finished = finished_trials(study)
    usual = usual_costs(finished)
    rows = []
    for trial in finished:
        row = _trial_row(trial, cell.quality)
        if trial.state == TrialState.PRUNED and usual is not None:
            row["saved_s"] = estimate_rest_s(trial, cell, usual, n_checkpoints=n_checkpoints)
        rows.append(row)
    return pl.DataFrame(rows, schema=TRIAL_SCHEMA)


def tabulate_curves(study: optuna.Study, quality: QualityMetric) -> pl.DataFrame:
    """Return one row per finished trial and checkpoint, costs added up from the trial's start."""
    rows = [
        {"number": trial.number, "quality": quality.scale(point["quality_raw"]), **point}
        for trial in finished_trials(study)
        for point in trial.user_attrs.get("curve", [])
    ]
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


def _trial_row(trial: FrozenTrial, quality: QualityMetric) -> dict[str, Any]:
    attributes = trial.user_attrs
    curve = attributes.get("curve", [])
    last = curve[-1] if curve else {}
    raw = last.get("quality_raw")
    return {
        "number": trial.number,
        "application": attributes.get(ASKED_BY),
        "state": STATES[trial.state],
        "stop_checkpoint": attributes.get(STOP_CHECKPOINT),
        "stop_reason": attributes.get(STOP_REASON),
        "stopped_by": attributes.get(STOPPED_BY),
        "params": json.dumps(attributes.get("configuration", trial.params)),
        "quality": None if raw is None else quality.scale(raw),
        "quality_raw": raw,
        **{column: last.get(column) for column in FIT_COLUMNS},
        "model_size_mib": attributes.get("model_size_mib"),
        "compute_s": attributes.get("compute_s"),
        "saved_s": None,
    }
