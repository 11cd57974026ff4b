"""Training costs: candidates of families that train in batches, to costs by batch size."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import TAG
from rightfit_study.training_costs.nodes import (
    BATCHED_FAMILIES,
    collect_training_costs,
    profile_training,
    refuse_grid,
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the study for the cells of the grid in use; it is no part of ``perf``."""
    cells = [cell for cell in grid.searched_cells() if grid.families[cell[1]] in BATCHED_FAMILIES]
    if not cells:  # every command builds the pipelines, so the error must wait until it runs
        return Pipeline([Node(refuse_grid, "params:grid", None, name="refuse_grid")], tags=TAG)
    collecting = Node(
        collect_training_costs,
        inputs=[f"{dataset}.{model}.training_costs" for dataset, model in cells],
        outputs=["training_costs", "training_costs_chart"],
        name="collect_training_costs",
    )
    return Pipeline([*(_profile_node(*cell) for cell in cells), collecting], tags=TAG)


def _profile_node(dataset: str, model: str) -> Node:
    cell = f"{dataset}.{model}"
    return Node(
        profile_training,
        inputs={
            "candidates": f"{cell}.candidates",
            "train": f"{dataset}.train",
            "data_card": f"{dataset}.data_card",
            "measurements": "measurements",
            "params": "params:training_costs",
            "model": f"params:models.{model}",
        },
        outputs=f"{cell}.training_costs",
        name="profile_training",
        namespace=cell,
    )
