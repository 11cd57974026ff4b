"""The training stage: one search or import per cell, the searches collected per dataset."""

from __future__ import annotations

from functools import partial

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.training.nodes import collect_trials, import_model, plan_cell, tune_model
from rightfit.ranking.applications.applications import Applications

BOX = BOXES["training"]
TABLES = ("trials", "learning_curves", "search_audit")


def create_pipeline(grid: Grid) -> Pipeline:
    """Build a node per cell, which searches or imports, and ``collect_trials`` per dataset."""
    return Pipeline(
        [
            *(_import_node(dataset, model) for dataset, model in grid.imported_cells()),
            *(
                _tune_node(dataset, model, grid.list_searched(dataset))
                for dataset, model in grid.searched_cells()
            ),
            *(_collect_node(dataset, grid.list_searched(dataset)) for dataset in grid.datasets),
        ]
    )


def _import_node(dataset: str, model: str) -> Node:
    cell = f"{dataset}.{model}"
    return Node(
        NodeFunction(import_model, cell_name=cell),
        inputs={
            "spec": f"{dataset}.spec",
            "rows": f"{dataset}.rows",
            "encoder": f"{dataset}.encoder",
            "model": f"params:models.{model}",
        },
        outputs=f"{cell}.candidates",
        name="import_model",
        namespace=f"{BOX}.{cell}",
    )


def _tune_node(dataset: str, model: str, models: tuple[str, ...]) -> Node:
    cell = f"{dataset}.{model}"
    siblings = {name: f"params:models.{name}" for name in models if name != model}
    inputs = {
        "train": f"{dataset}.train",
        "validation": f"{dataset}.validation",
        "data_card": f"{dataset}.data_card",
        "studies": "studies",
        "model": f"params:models.{model}",
        "training": "params:training",
        "applications": "params:applications",
        "evaluation": "params:evaluation",
        **siblings,
    }
    func = NodeFunction(
        tune_model,
        hints=siblings.values(),  # what the dataset's other families are known to reach
        parts={"params:applications": Applications.describe_demands},
        plan=partial(plan_cell, cell_name=cell),
        inputs=inputs,
        cell_name=cell,
    )
    return Node(
        func,
        inputs=inputs,
        outputs=[f"{cell}.{name}" for name in (*TABLES, "candidates")],
        name="tune_model",
        namespace=f"{BOX}.{cell}",
    )


def _collect_node(dataset: str, models: tuple[str, ...]) -> Node:
    return Node(
        NodeFunction(collect_trials, dataset=dataset, models=models),
        inputs=[f"{dataset}.{model}.{table}" for table in TABLES for model in models],
        outputs=[f"{dataset}.{table}" for table in TABLES],
        name="collect_trials",
        namespace=f"{BOX}.{dataset}",
    )
