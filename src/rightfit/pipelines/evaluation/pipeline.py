"""Evaluation: candidates to resource profiles, cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.evaluation.cascade_nodes import build_cascades
from rightfit.pipelines.evaluation.nodes import (
    MeasuredCell,
    collect_profiles,
    profile_candidates,
    profile_cascades,
    profile_imported,
    remeasure_disturbed,
)
from rightfit.ranking.applications.applications import Applications

BOX = BOXES["evaluation"]
PARTS = {"params:applications": Applications.describe_demands}


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the evaluation pipeline for the cells of the grid in use."""
    cells = {
        **{
            cell: _measure(profile_candidates, *cell, "trials", "test", "studies", "model")
            for cell in grid.searched_cells()
        },
        **{cell: _measure(profile_imported, *cell, "model") for cell in grid.imported_cells()},
        **{cell: _measure(profile_cascades, *cell, "test") for cell in grid.cascade_cells()},
    }
    profiling = [
        *(_profile_node(measured, *cell) for cell, measured in cells.items()),
        *(
            _build_node(dataset, model, grid.list_searched(dataset))
            for dataset, model in grid.cascade_cells()
        ),
    ]
    remeasuring = [
        _remeasure_node(
            dataset, {model: cells[dataset, model] for model in grid.list_models(dataset)}
        )
        for dataset in grid.datasets
    ]
    collecting = Node(
        collect_profiles,
        inputs=[
            *("params:evaluation", "measurements"),
            *(f"{dataset}.settled_profiles" for dataset in grid.datasets),
        ],
        outputs=["resource_profiles", "environment", "hardware_tiers"],
        name="collect_profiles",
        namespace=BOX,
    )
    return Pipeline([*profiling, *remeasuring, collecting])


def _measure(
    func: Callable[..., pl.DataFrame], dataset: str, model: str, *others: str
) -> MeasuredCell:
    cell = f"{dataset}.{model}"
    where = {
        "trials": f"{cell}.trials",
        "test": f"{dataset}.test",
        "studies": "studies",
        "model": f"params:models.{model}",
    }
    inputs = {
        "candidates": f"{cell}.candidates",
        "rows": f"{dataset}.rows",
        "encoder": f"{dataset}.encoder",
        "data_card": f"{dataset}.data_card",
        "measurements": "measurements",
        "params": "params:evaluation",
        "applications": "params:applications",
        **{name: where[name] for name in others},
    }
    return MeasuredCell(func, inputs, f"{cell}.profiles")


def _profile_node(measured: MeasuredCell, dataset: str, model: str) -> Node:
    """Build the node that measures a cell."""
    return Node(
        NodeFunction(measured.measure, parts=PARTS),
        inputs=dict(measured.inputs),
        outputs=measured.profiles,
        name=measured.measure.__name__,
        namespace=f"{BOX}.{dataset}.{model}",
    )


def _build_node(dataset: str, model: str, searched: tuple[str, ...]) -> Node:
    cell = f"{dataset}.{model}"
    of_members = ("candidates", "profiles")
    return Node(
        NodeFunction(build_cascades, cell_name=cell),
        inputs=[
            f"{dataset}.validation",
            f"{dataset}.data_card",
            f"params:models.{model}",
            *(f"{dataset}.{one}.{kind}" for kind in of_members for one in searched),
        ],
        outputs=f"{cell}.candidates",
        name="build_cascades",
        namespace=f"{BOX}.{cell}",
    )


def _remeasure_node(dataset: str, cells: dict[str, MeasuredCell]) -> Node:
    named = {name for cell in cells.values() for name in (*cell.inputs.values(), cell.profiles)}
    typed = {"params": "params:evaluation", "applications": "params:applications"}
    return Node(
        NodeFunction(remeasure_disturbed, parts=PARTS, dataset=dataset, cells=cells),
        inputs=typed | {name: name for name in sorted(named - set(typed.values()))},
        outputs=f"{dataset}.settled_profiles",
        name="remeasure_disturbed",
        namespace=f"{BOX}.{dataset}",
    )
