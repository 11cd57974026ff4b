"""Kedro pipelines: glue between the catalog and the work packages.

A project registers them in its ``pipeline_registry.py``, its own pipelines going before::

    from rightfit_kedro.pipelines import create_pipelines, find_grid

    def register_pipelines() -> dict[str, Pipeline]:
        ...
        return create_pipelines(find_grid()) | pipelines
"""

from __future__ import annotations

import warnings

from kedro.pipeline import Pipeline

from rightfit_kedro.configuration import find_grid
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES
from rightfit_kedro.pipelines import (
    data_engineering,
    evaluation,
    http_load,
    ranking,
    reporting,
    training,
)

__all__ = ["create_pipelines", "find_grid"]

_STAGES = (data_engineering, training, evaluation, ranking, http_load, reporting)


def create_pipelines(grid: Grid | None) -> dict[str, Pipeline]:
    """Return Rightfit's pipelines for the cells of a grid.

    Args:
        grid: The cells; ``None`` where the configuration names none.

    Returns:
        Pipelines by name: each stage, and all of them together as ``perf``. Empty without a grid.
    """
    if grid is None:
        return {}
    with warnings.catch_warnings():
        # Kedro warns of a node outside a namespace that reads from inside; collecting does that.
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        stages = {
            name: stage.create_pipeline(grid) for name, stage in zip(BOXES, _STAGES, strict=True)
        }
        whole = Pipeline([node for stage in stages.values() for node in stage.nodes])
    return {**stages, "perf": whole}
