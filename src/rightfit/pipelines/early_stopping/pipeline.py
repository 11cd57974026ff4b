"""The experiment on early stopping: recordings per cell, replays of all of them."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from rightfit.grid import current_grid
from rightfit.pipelines.early_stopping.nodes import profile_recordings, record_curves


def create_pipeline() -> Pipeline:
    """Create the experiment for the cells of the grid in use; it is no part of ``perf``."""
    cells = [f"{dataset}.{model}" for dataset, model in current_grid().cells()]
    return Pipeline([*map(_record_node, cells), *map(_profile_node, cells)])


def _record_node(cell: str) -> Node:
    dataset, model = cell.split(".")
    func = update_wrapper(partial(record_curves, cell_name=cell), record_curves)
    return Node(
        func,
        inputs=[
            f"{dataset}.train",
            f"{dataset}.validation",
            f"{dataset}.data_card",
            "studies",
            f"params:models.{model}",
            "params:early_stopping.recording",
        ],
        outputs=f"{cell}.recorded_curves",
        name="record_curves",
        namespace=cell,
    )


def _profile_node(cell: str) -> Node:
    dataset = cell.split(".")[0]
    return Node(
        profile_recordings,
        inputs=[
            f"{cell}.recorded_curves",
            f"{dataset}.test",
            f"{dataset}.data_card",
            "environment",
            "measurements",
            "params:early_stopping.recording",
            "params:evaluation.tiers",
        ],
        outputs=f"{cell}.recorded_profiles",
        name="profile_recordings",
        namespace=cell,
    )
