"""Evaluation: candidates to resource profiles, cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.evaluation.cascade_nodes import build_cascades
from rightfit.pipelines.evaluation.nodes import (
    collect_profiles,
    profile_candidates,
    profile_cascades,
    profile_imported,
)
from rightfit.ranking.applications.applications import Applications

BOX = BOXES["evaluation"]


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the evaluation pipeline for the cells of the grid in use."""
    profiling = [
        *(
            _profile_node(profile_candidates, *cell, "trials", "test", "studies", "model")
            for cell in grid.searched_cells()
        ),
        *(_profile_node(profile_imported, *cell, "model") for cell in grid.imported_cells()),
        *(_profile_node(profile_cascades, *cell, "test") for cell in grid.cascade_cells()),
        *(
            _build_node(dataset, model, grid.list_searched(dataset))
            for dataset, model in grid.cascade_cells()
        ),
    ]
    collecting = Node(
        collect_profiles,
        inputs=[
            *("params:evaluation", "measurements"),
            *(f"{dataset}.{model}.profiles" for dataset, model in grid.cells()),
        ],
        outputs=["resource_profiles", "environment", "hardware_tiers"],
        name="collect_profiles",
        namespace=BOX,
    )
    return Pipeline([*profiling, collecting])


def _profile_node(
    func: Callable[..., pl.DataFrame], dataset: str, model: str, *others: str
) -> Node:
    """Build the node that measures a cell."""
    cell = f"{dataset}.{model}"
    where = {
        "trials": f"{cell}.trials",
        "test": f"{dataset}.test",
        "studies": "studies",
        "model": f"params:models.{model}",
    }
    return Node(
        NodeFunction(func, parts={"params:applications": Applications.describe_demands}),
        inputs={
            "candidates": f"{cell}.candidates",
            "rows": f"{dataset}.rows",
            "encoder": f"{dataset}.encoder",
            "data_card": f"{dataset}.data_card",
            "measurements": "measurements",
            "params": "params:evaluation",
            "applications": "params:applications",
            **{name: where[name] for name in others},
        },
        outputs=f"{cell}.profiles",
        name=func.__name__,
        namespace=f"{BOX}.{cell}",
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
