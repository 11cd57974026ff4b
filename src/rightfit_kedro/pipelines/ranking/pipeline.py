"""Ranking: resource profiles to rankings, recommendations and their sensitivity."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES, NodeFunction
from rightfit_kedro.pipelines.ranking.nodes import (
    judge_stored_predictions,
    rank_candidates,
)

BOX = BOXES["ranking"]
OUTPUTS = ["rankings", "rankings_csv", "rejections", "recommendations"]


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the ranking pipeline for the datasets of the grid in use."""
    judging = Node(
        judge_stored_predictions,
        inputs=["resource_profiles", "params:applications", "measurements"],
        outputs="judged_predictions",
        name="judge_stored_predictions",
        namespace=BOX,
    )
    ranking = Node(
        NodeFunction(rank_candidates, imported=tuple(grid.imported)),
        inputs=[
            "resource_profiles",
            "params:applications",
            "params:ranking",
            "earlier_winners",
            "judged_predictions",
            *(f"{dataset}.trials" for dataset in grid.datasets),
        ],
        outputs=OUTPUTS,
        name="rank_candidates",
        namespace=BOX,
    )
    return Pipeline([judging, ranking])
