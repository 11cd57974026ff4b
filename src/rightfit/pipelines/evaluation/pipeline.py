"""Evaluation: candidates to resource profiles, dataset by dataset."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.evaluation.cascade_nodes import profile_cascades
from rightfit.pipelines.evaluation.nodes import (
    collect_profiles,
    profile_candidates,
    profile_imported,
)
from rightfit.ranking.applications.applications import Applications

BOX = BOXES["evaluation"]
PARTS = {"params:applications": Applications.describe_demands}
MEASURING = ("measurements", "params:evaluation", "params:applications")


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the evaluation pipeline for the cells of the grid in use."""
    searched = {
        dataset: models for dataset in grid.datasets if (models := grid.list_searched(dataset))
    }
    profiling = [
        *(_profile_node(dataset, models) for dataset, models in searched.items()),
        *(_imported_node(*cell) for cell in grid.imported_cells()),
        *(_cascade_node(*cell, searched[cell[0]]) for cell in grid.cascade_cells()),
    ]
    collecting = Node(
        collect_profiles,
        inputs=[
            *("params:evaluation", "measurements"),
            *(name for node in profiling for name in node.outputs if name.endswith("profiles")),
        ],
        outputs=["resource_profiles", "environment", "hardware_tiers"],
        name="collect_profiles",
        namespace=BOX,
    )
    return Pipeline([*profiling, collecting])


def _profile_node(dataset: str, models: tuple[str, ...]) -> Node:
    of_dataset = ("test", "rows", "encoder", "data_card")
    return Node(
        NodeFunction(profile_candidates, parts=PARTS, models=models),
        inputs={
            **{one: f"{dataset}.{one}" for one in of_dataset},
            "studies": "studies",
            "measurements": "measurements",
            "params": "params:evaluation",
            "applications": "params:applications",
            **{f"candidates_of_{model}": f"{dataset}.{model}.candidates" for model in models},
            **{f"trials_of_{model}": f"{dataset}.{model}.trials" for model in models},
            **{f"block_of_{model}": f"params:models.{model}" for model in models},
        },
        outputs=f"{dataset}.profiles",
        name="profile_candidates",
        namespace=f"{BOX}.{dataset}",
    )


def _imported_node(dataset: str, model: str) -> Node:
    cell = f"{dataset}.{model}"
    of_dataset = [f"{dataset}.{one}" for one in ("rows", "encoder", "data_card")]
    return Node(
        NodeFunction(profile_imported, parts=PARTS),
        inputs=[f"{cell}.candidates", *of_dataset, *MEASURING, f"params:models.{model}"],
        outputs=f"{cell}.profiles",
        name=f"{model}.profile_imported",
        namespace=f"{BOX}.{dataset}",
    )


def _cascade_node(dataset: str, model: str, searched: tuple[str, ...]) -> Node:
    cell = f"{dataset}.{model}"
    kinds = ("validation", "test", "rows", "encoder", "data_card")
    return Node(
        NodeFunction(profile_cascades, parts=PARTS, cell_name=cell),
        inputs=[
            *(f"{dataset}.{one}" for one in kinds),
            *MEASURING,
            f"params:models.{model}",
            f"{dataset}.profiles",
            *(f"{dataset}.{one}.candidates" for one in searched),
        ],
        outputs=[f"{cell}.candidates", f"{cell}.profiles"],
        name=f"{model}.profile_cascades",
        namespace=f"{BOX}.{dataset}",
    )
