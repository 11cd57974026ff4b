"""The training stage: one search or import per cell, the searches collected per dataset."""

from __future__ import annotations

from functools import partial

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES, NodeFunction
from rightfit_kedro.pipelines.training.nodes import (
    TABLE,
    collect_trials,
    import_model,
    plan_cell,
    tune_model,
)

BOX = BOXES["training"]
TABLES = ("trials", "learning_curves", "search_audit")
PREDICTIONS = "validation_predictions"


def create_pipeline(grid: Grid) -> Pipeline:
    """Build a node per cell, which searches or imports, and ``collect_trials`` per dataset."""
    nodes = []
    for dataset, model in grid.imported_cells():
        cell = f"{dataset}.{model}"
        nodes.append(
            Node(
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
        )
    for dataset, model in grid.searched_cells():
        cell = f"{dataset}.{model}"
        sibling_names = [name for name in grid.list_searched(dataset) if name != model]
        siblings = {name: f"params:models.{name}" for name in sibling_names}
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
        in_cascades = any(of_dataset == dataset for of_dataset, _ in grid.cascade_cells())
        search = NodeFunction(
            tune_model,
            predicts=in_cascades,
            plan=partial(plan_cell, cell_name=cell),
            inputs=inputs,
            cell_name=cell,
        )
        beyond_sample = {
            **{name: f"{dataset}.{name}" for name in ("spec", "rows", "encoder")},
            **{TABLE + entry: entry for entry in grid.tables[dataset]},
        }
        nodes.append(
            Node(
                search,
                inputs=inputs | (beyond_sample if grid.reads_all_rows else {}),
                outputs=[
                    f"{cell}.{name}"
                    for name in (*TABLES, "candidates", *([PREDICTIONS] if in_cascades else []))
                ],
                name="tune_model",
                namespace=f"{BOX}.{cell}",
            )
        )
    for dataset in grid.datasets:
        models = grid.list_searched(dataset)
        nodes.append(
            Node(
                NodeFunction(collect_trials, dataset=dataset, models=models),
                inputs=[f"{dataset}.{model}.{table}" for table in TABLES for model in models],
                outputs=[f"{dataset}.{table}" for table in TABLES],
                name="collect_trials",
                namespace=f"{BOX}.{dataset}",
            )
        )
    return Pipeline(nodes)
