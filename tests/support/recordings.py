"""Recorded cells made by hand, for tests of the judge and of replays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rightfit.ranking.applications.applications import Application
from rightfit.tuning.experiment.recorded import RecordedCell, RecordedTrial
from rightfit.tuning.judge.observed import ObservedTrial, Seen
from rightfit.tuning.judge.stopping_rules import RuleParams

ONE = ("onnx", 1, "cpu")


def application(
    *, max_size_mib: float | None = None, min_quality: float | None = None
) -> Application:
    """Return one that wants quality, and perhaps a small model or a certain quality."""
    limits = {
        metric: {kind: value}
        for metric, kind, value in (
            ("model_size_mib", "max", max_size_mib),
            ("quality", "min", min_quality),
        )
        if value is not None
    }
    return Application.model_validate(
        {
            "description": "made up",
            "scenario": "offline",
            "objectives": {"quality": {"weight": 1, "worst": 0.0, "best": 1.0}},
            "constraints": limits,
        }
    )


def rule_params(**changes: Any) -> RuleParams:
    """Return rules with some values changed."""
    values = {
        "rules": ("certain_violation", "expected_gain"),
        "limit_confidence": 0.975,
        "min_gain": 0.005,
        "finishing_share": 0.25,
        "uses_neighbours": False,
        "median_percentile": 50,
        "n_startup_trials": 2,
        "max_step_time_ms": None,
        "max_fit_peak_memory_mib": None,
    }
    return RuleParams.model_validate(values | changes)


def recorded_trial(index: int, quality: float, size: float) -> RecordedTrial:
    """Return a training of three checkpoints, each closing half of the gap that is left.

    A checkpoint costs as long as the training so far; measuring costs 2 s, the export 1 s.
    """
    structure = {"n_parameters": size, "n_operations": size}
    gap = 1 - quality
    looks = (
        Seen(0, None, structure),
        *(Seen(i, 1 - gap * 2 ** (3 - i), structure) for i in range(1, 4)),
    )
    trial = ObservedTrial(
        index, (index / 20,), looks, {ONE: {"model_size_mib": size / 10, "latency_p50_ms": 1.0}}
    )
    return RecordedTrial(trial, (0.0, 1.0, 2.0, 4.0), 1.0, {ONE: 2.0})


def recorded_cell(qualities: list[float], sizes: list[float]) -> RecordedCell:
    """Return a cell of such trainings."""
    trials = [
        recorded_trial(index, quality, size)
        for index, (quality, size) in enumerate(zip(qualities, sizes, strict=True))
    ]
    return RecordedCell("made.up", trials, 3, max(qualities), quality_elsewhere=-np.inf)
