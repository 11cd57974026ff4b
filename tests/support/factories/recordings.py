"""Recorded cells made by hand, for tests of the pausing rule and of replays."""

from __future__ import annotations

from typing import Any

from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import Application
from rightfit_search.searching.pausing.observed import Seen
from rightfit_search.searching.pausing.pausing_params import PausingParams
from rightfit_study.early_stopping.measured_trials import MeasuredTrial
from rightfit_study.early_stopping.recorded import RecordedCell, RecordedTrial

ONE = Serving("onnx", 1, "cpu")


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


def pausing_params(**changes: Any) -> PausingParams:
    """Return a rule with some values changed."""
    values = {
        "min_gain": 0.005,
        "cost_exponent": 0.5,
        "min_feasible_probability": 0.05,
        "feasible_after_trials": 2,
    }
    return PausingParams.model_validate(values | changes)


def recorded_trial(index: int, quality: float, size: float) -> RecordedTrial:
    """Return a training of three checkpoints, each closing half of the gap that is left.

    A checkpoint costs as long as the training so far; measuring costs 2 s, the export 1 s.
    """
    structure = {"n_parameters": size, "n_operations": size}
    gap = 1 - quality
    looks = (
        Seen(0, None, structure),
        *(
            Seen(i, 1 - gap * 2 ** (3 - i), structure, spent_s=float(2 ** (i - 1)))
            for i in range(1, 4)
        ),
    )
    served = {ONE: {"model_size_mib": size / 10, "latency_p50_ms": 1.0}}
    trial = MeasuredTrial(index, looks, served=served, export_s=1.0, measured_s={ONE: 2.0})
    return RecordedTrial(trial, {ONE: quality - 0.01})


def recorded_cell(
    qualities: list[float], sizes: list[float], *, dataset: str = "made", model: str = "up"
) -> RecordedCell:
    """Return a cell of such trainings."""
    trials = [
        recorded_trial(index, quality, size)
        for index, (quality, size) in enumerate(zip(qualities, sizes, strict=True))
    ]
    return RecordedCell(dataset, model, trials, 3)
