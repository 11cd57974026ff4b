"""HTTP load: recommendations and candidates to the winners' load curves."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit._core.plugins import load_plugin
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES

OF_DATASET = ("rows", "encoder", "data_card")


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the pipeline that loads the winners, for the cells of the grid in use."""
    blocks = ("applications", "http_load")
    names = [
        "recommendations",
        "measurements",
        *(f"{dataset}.{kind}" for dataset in grid.datasets for kind in OF_DATASET),
        *(f"{dataset}.{model}.candidates" for dataset, model in grid.cells()),
    ]
    inputs = {name: f"params:{name}" for name in blocks} | {name: name for name in names}
    box = BOXES["http_load"]
    load_winners = load_plugin("rightfit.operations", "load_winners", purpose="The stage http_load")
    return Pipeline([Node(load_winners, inputs, "load_curves", name="load_winners", namespace=box)])
