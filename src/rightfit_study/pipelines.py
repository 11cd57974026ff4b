"""The studies' pipelines."""

from __future__ import annotations

import warnings

from kedro.pipeline import Pipeline

from rightfit_kedro.grid import Grid
from rightfit_study.early_stopping import pipeline as early_stopping
from rightfit_study.training_costs import pipeline as training_costs


def create_pipelines(grid: Grid) -> dict[str, Pipeline]:
    """Return the studies' pipelines for the cells of a grid, by name; none is part of ``perf``."""
    with warnings.catch_warnings():
        # Kedro warns of a node outside a namespace that reads from inside; collecting does that.
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        return {
            "early_stopping": early_stopping.create_pipeline(grid),
            "training_costs": training_costs.create_pipeline(grid),
        }
