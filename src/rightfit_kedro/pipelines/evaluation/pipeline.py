"""Evaluation: candidates to resource profiles, dataset by dataset."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES, NodeFunction
from rightfit_kedro.pipelines.evaluation.nodes import (
    collect_profiles,
    make_cascades,
    profile_candidates,
    profile_imported,
)

BOX = BOXES["evaluation"]
OF_DATASET = ("rows", "encoder", "data_card")
EQUAL_WITHIN = "params:ranking.equal_within"
MEMBERS = {  # of cascades: tables of each model, by the argument
    "candidates": "candidates",
    "trials": "trials",
    "predictions": "validation_predictions",
}
MEASURING = ("measurements", "params:evaluation", "params:applications", EQUAL_WITHIN)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the evaluation pipeline for the cells of the grid in use."""
    nodes = []
    for dataset in grid.datasets:
        models = grid.list_searched(dataset)
        if not models:
            continue
        cascades = tuple(model for of, model in grid.cascade_cells() if of == dataset)
        nodes.append(
            Node(
                NodeFunction(profile_candidates, models=models, cascades=cascades),
                inputs={
                    **{name: f"{dataset}.{name}" for name in ("test", *OF_DATASET)},
                    "studies": "studies",
                    "measurements": "measurements",
                    "params": "params:evaluation",
                    "applications": "params:applications",
                    "equal_within": EQUAL_WITHIN,
                    **{
                        f"candidates_of_{model}": f"{dataset}.{model}.candidates"
                        for model in (*models, *cascades)
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
                profile_imported,
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
        cell, models = f"{dataset}.{model}", grid.list_searched(dataset)
        nodes.append(
            Node(
                NodeFunction(make_cascades, cell_name=cell, models=models),
                inputs={
                    "validation": f"{dataset}.validation",
                    "data_card": f"{dataset}.data_card",
                    "model": f"params:models.{model}",
                    **{
                        f"{kind}_of_{searched}": f"{dataset}.{searched}.{name}"
                        for kind, name in MEMBERS.items()
                        for searched in models
                    },
                },
                outputs=f"{cell}.candidates",
                name=f"{model}.make_cascades",
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
