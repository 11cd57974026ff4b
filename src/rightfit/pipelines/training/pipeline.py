"""The training stage: one search per cell."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from rightfit.grid import current_grid
from rightfit.pipelines.training.nodes import tune_model


def create_pipeline() -> Pipeline:
    """Build one ``tune_model`` node per cell of the grid."""
    return Pipeline([_tune_node(dataset, model) for dataset, model in current_grid().cells()])


def _tune_node(dataset: str, model: str) -> Node:
    cell = f"{dataset}.{model}"
    func = update_wrapper(partial(tune_model, cell_name=cell), tune_model)
    return Node(
        func,
        inputs=[
            f"{dataset}.train",
            f"{dataset}.validation",
            f"{dataset}.data_card",
            f"{cell}.studies",
            f"params:models.{model}",
            "params:training",
        ],
        outputs=[f"{cell}.trials", f"{cell}.learning_curves", f"{cell}.candidates"],
        name="tune_model",
        namespace=cell,
    )
