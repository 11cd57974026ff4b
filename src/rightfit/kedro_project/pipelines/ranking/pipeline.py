"""Ranking: resource profiles to rankings, recommendations and their sensitivity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.kedro_project.pipelines.ranking.nodes import (
    explain_rankings,
    judge_stored_predictions,
    list_judged,
    rank_candidates,
    recommend_candidates,
)
from rightfit.params.grid import Grid

INPUTS = [
    "resource_profiles",
    "params:applications",
    "params:ranking",
    "earlier_winners",
    "judged_predictions",
]
EXPLANATIONS = [
    "win_shares",
    "weight_intervals",
    "limit_effects",
    "robust_choices",
    "break_even",
    "rejections",
]
SENSITIVITIES = ["weight_intervals", "limit_effects", "robust_choices"]


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the ranking pipeline for the datasets of the grid in use."""
    trials = [f"{dataset}.trials" for dataset in grid.datasets]
    recommending = NodeFunction(recommend_candidates, imported=tuple(grid.imported))
    named_inputs = {name.removeprefix("params:"): name for name in (*INPUTS, *SENSITIVITIES)}
    judging = NodeFunction(judge_stored_predictions, parts={"params:applications": list_judged})
    judged = ["resource_profiles", "params:applications", "measurements"]
    return Pipeline(
        [
            _node(judging, judged, "judged_predictions"),
            _node(rank_candidates, INPUTS, ["rankings", "rankings_csv", "utility_breakdown"]),
            _node(explain_rankings, [*INPUTS, *trials], EXPLANATIONS),
            _node(recommending, named_inputs, "recommendations"),
        ]
    )


def _node(
    func: Callable[..., Any], inputs: list[str] | dict[str, str], outputs: str | list[str]
) -> Node:
    return Node(func, inputs, outputs, name=func.__name__, namespace=BOXES["ranking"])
