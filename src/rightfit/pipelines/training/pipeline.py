"""The training stage: one search per cell, collected per dataset."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from rightfit.grid import current_grid
from rightfit.pipelines.training.nodes import collect_trials, tune_model


def create_pipeline() -> Pipeline:
    """Build one ``tune_model`` node per cell and one ``collect_trials`` node per dataset."""
    grid = current_grid()
    tuning = [_tune_node(dataset, model) for dataset, model in grid.cells()]
    return Pipeline([*tuning, *(_collect_node(dataset, grid.models) for dataset in grid.datasets)])


def _tune_node(dataset: str, model: str) -> Node:
    cell = f"{dataset}.{model}"
    func = update_wrapper(partial(tune_model, cell_name=cell), tune_model)
    return Node(
        func,
        inputs=[
            f"{dataset}.train",
            f"{dataset}.validation",
            f"{dataset}.data_card",
            "studies",
            f"params:models.{model}",
            "params:training",
        ],
        outputs=[f"{cell}.trials", f"{cell}.learning_curves", f"{cell}.candidates"],
        name="tune_model",
        namespace=cell,
    )


def _collect_node(dataset: str, models: tuple[str, ...]) -> Node:
    func = update_wrapper(partial(collect_trials, dataset=dataset, models=models), collect_trials)
    return Node(
        func,
        inputs=[
            f"{dataset}.{model}.{table}"
            for table in ("trials", "learning_curves")
            for model in models
        ],
        outputs=[f"{dataset}.trials", f"{dataset}.learning_curves"],
        name="collect_trials",
        namespace=dataset,
    )
