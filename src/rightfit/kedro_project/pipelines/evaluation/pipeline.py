"""Evaluation: candidates to resource profiles, dataset by dataset."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.kedro_project.pipelines.evaluation.nodes import (
    collect_profiles,
    profile_candidates,
    profile_cascades,
    profile_imported,
)
from rightfit.params.grid import Grid
from rightfit.ranking.applications.applications import Applications

BOX = BOXES["evaluation"]
OF_DATASET = ("rows", "encoder", "data_card")
PARTS = {"params:applications": Applications.describe_demands}
EQUAL_WITHIN = "params:ranking.equal_within"
MEASURING = ("measurements", "params:evaluation", "params:applications", EQUAL_WITHIN)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the evaluation pipeline for the cells of the grid in use."""
    nodes = []
    for dataset in grid.datasets:
        models = grid.list_searched(dataset)
        if not models:
            continue
        nodes.append(
            Node(
                NodeFunction(profile_candidates, parts=PARTS, models=models),
                inputs={
                    **{name: f"{dataset}.{name}" for name in ("test", *OF_DATASET)},
                    "studies": "studies",
                    "measurements": "measurements",
                    "params": "params:evaluation",
                    "applications": "params:applications",
                    "equal_within": EQUAL_WITHIN,
                    **{
                        f"candidates_of_{model}": f"{dataset}.{model}.candidates"
                        for model in models
                    },
                    **{f"trials_of_{model}": f"{dataset}.{model}.trials" for model in models},
                    **{f"block_of_{model}": f"params:models.{model}" for model in models},
                },
                outputs=f"{dataset}.profiles",
                name="profile_candidates",
                namespace=f"{BOX}.{dataset}",
            )
        )
    for dataset, model in grid.imported_cells():
        nodes.append(
            Node(
                NodeFunction(profile_imported, parts=PARTS),
                inputs=[
                    f"{dataset}.{model}.candidates",
                    *(f"{dataset}.{name}" for name in OF_DATASET),
                    *MEASURING,
                    f"params:models.{model}",
                ],
                outputs=f"{dataset}.{model}.profiles",
                name=f"{model}.profile_imported",
                namespace=f"{BOX}.{dataset}",
            )
        )
    for dataset, model in grid.cascade_cells():
        cell = f"{dataset}.{model}"
        nodes.append(
            Node(
                NodeFunction(profile_cascades, parts=PARTS, cell_name=cell),
                inputs=[
                    *(f"{dataset}.{name}" for name in ("validation", "test", *OF_DATASET)),
                    *MEASURING,
                    f"params:models.{model}",
                    f"{dataset}.profiles",
                    *(
                        f"{dataset}.{searched}.{name}"
                        for name in ("candidates", "validation_predictions")
                        for searched in grid.list_searched(dataset)
                    ),
                ],
                outputs=[f"{cell}.candidates", f"{cell}.profiles"],
                name=f"{model}.profile_cascades",
                namespace=f"{BOX}.{dataset}",
            )
        )
    profiles = [name for node in nodes for name in node.outputs if name.endswith("profiles")]
    nodes.append(
        Node(
            collect_profiles,
            inputs=["params:evaluation", "measurements", *profiles],
            outputs=["resource_profiles", "environment", "hardware_tiers"],
            name="collect_profiles",
            namespace=BOX,
        )
    )
    return Pipeline(nodes)
