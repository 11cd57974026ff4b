"""The experiment on early stopping: recordings per cell, replays of all of them."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import TAG, NodeFunction
from rightfit_study.early_stopping.nodes import (
    profile_recordings,
    record_curves,
    replay_rules,
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the experiment for the cells of the grid in use; it is no part of ``perf``."""
    cells = [f"{dataset}.{model}" for dataset, model in grid.searched_cells()]
    replaying = Node(
        replay_rules,
        inputs=[
            "params:applications",
            "params:early_stopping",
            "params:training",
            *(f"{cell}.recorded_curves" for cell in cells),
            *(f"{cell}.recorded_profiles" for cell in cells),
        ],
        outputs=[
            "stopping_replays",
            "stopping_savings",
            "stopping_by_cell",
            "known_early",
            "stopping_chart",
        ],
        name="replay_rules",
    )
    return Pipeline([*map(_record_node, cells), *map(_profile_node, cells), replaying], tags=TAG)


def _record_node(cell: str) -> Node:
    dataset, model = cell.split(".")
    return Node(
        NodeFunction(record_curves, cell_name=cell),
        inputs=[
            f"{dataset}.train",
            f"{dataset}.validation",
            f"{dataset}.data_card",
            "studies",
            f"params:models.{model}",
            "params:early_stopping",
        ],
        outputs=f"{cell}.recorded_curves",
        name="record_curves",
        namespace=cell,
    )


def _profile_node(cell: str) -> Node:
    dataset, model = cell.split(".")
    return Node(
        profile_recordings,
        inputs=[
            f"{cell}.recorded_curves",
            f"{dataset}.test",
            f"{dataset}.data_card",
            "measurements",
            f"params:models.{model}",
            "params:early_stopping",
            "params:evaluation",
        ],
        outputs=f"{cell}.recorded_profiles",
        name="profile_recordings",
        namespace=cell,
    )
