"""A small cell to search in tests."""

from __future__ import annotations

from typing import Any

from factories.recordings import pausing_params
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.space import ModelBlock, ModelParams

LINEAR_PARAMS = ModelParams.model_validate(
    {
        "fixed": {"n_epochs": 4, "learning_rate": "constant", "penalty": "l2"},
        "space": {
            "alpha": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
            "eta0": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        },
    }
)

LINEAR_BLOCK = ModelBlock(**dict(LINEAR_PARAMS), family="linear")


def make_cell(data: TrainingData, **changes: Any) -> Cell:
    values: dict[str, Any] = {
        "name": "blobs.linear",
        "family": "linear",
        "params": LINEAR_PARAMS,
        "train": data,
        "validation": data,
        "quality": QualityMetric(name="accuracy", worst=0.0, best=1.0),
        "data_version": "v1",
    }
    return Cell(**(values | changes))


def make_settings(**changes: Any) -> SearchSettings:
    values: dict[str, Any] = {
        "n_trials": 4,
        "budget_cpu_s": None,
        "budget_wall_s": None,
        "patience": None,
        "n_jobs": 1,
        "n_retries": 2,
        "n_checkpoints": 2,
        "sampler": "random",
        "n_grid_points": 2,
        "early_stopping": "none",
        "n_startup_trials": 1,
        "n_threads": 1,
        "device": "cpu",
        "seed": 3,
        "pausing": pausing_params(min_gain=0.001),
        "breadth_share": 1.0,
        "paused_memory_mib": 1e6,
        "n_candidates": 3,
        "final": {"learns_validation": True, "max_s": 60},
        "targets": None,
    }
    return SearchSettings.model_validate(values | changes)
