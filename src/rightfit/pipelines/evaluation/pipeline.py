"""Evaluation: candidates to resource profiles, cell by cell."""

from __future__ import annotations

import warnings
from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.grid import current_grid
from rightfit.pipelines.evaluation.nodes import (
    collect_profiles,
    describe_environment,
    profile_candidates,
)


def create_pipeline(**kwargs: Any) -> Pipeline:  # noqa: ARG001 - Kedro's signature
    """Create the evaluation pipeline for the cells of the grid in use."""
    grid = current_grid()
    cells = [f"{dataset}.{model}" for dataset, model in grid.cells()]
    profiling = [
        Node(
            profile_candidates,
            inputs={
                "candidates": f"{cell}.candidates",
                "trials": f"{cell}.trials",
                "test": f"{cell.split('.')[0]}.test",
                "data_card": f"{cell.split('.')[0]}.data_card",
                "environment": "environment",
                "measurements": f"{cell}.measurements",
                "params": "params:evaluation",
                "applications": "params:applications",
            },
            outputs=f"{cell}.profiles",
            name="profile_candidates",
            namespace=cell,
        )
        for cell in cells
    ]
    with warnings.catch_warnings():
        # Kedro warns of a node outside a namespace that reads from inside; collecting does that.
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        collecting = Node(
            collect_profiles,
            inputs=["params:evaluation", *(f"{cell}.profiles" for cell in cells)],
            outputs="resource_profiles",
            name="collect_profiles",
        )
    describing = Node(describe_environment, None, "environment", name="describe_environment")
    return Pipeline([describing, *profiling, collecting])
