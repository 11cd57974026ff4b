"""Ranking: resource profiles to rankings, recommendations and what they hang on."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.grid import current_grid
from rightfit.pipelines.ranking.nodes import (
    analyse_sensitivity,
    compare_choices,
    explain_losers,
    rank_candidates,
    recommend_candidates,
)

INPUTS = ["resource_profiles", "params:applications", "params:ranking"]
SENSITIVITIES = ["weight_intervals", "limit_shadows", "robust_choices"]


def create_pipeline(**kwargs: Any) -> Pipeline:  # noqa: ARG001 - Kedro's signature
    """Create the ranking pipeline for the cells of the grid in use."""
    trials = [f"{dataset}.{model}.trials" for dataset, model in current_grid().cells()]
    return Pipeline(
        [
            Node(
                rank_candidates,
                INPUTS,
                ["rankings", "rankings_csv", "utility_breakdown"],
                name="rank_candidates",
            ),
            Node(
                analyse_sensitivity,
                INPUTS,
                ["win_shares", "weight_intervals", "limit_shadows"],
                name="analyse_sensitivity",
            ),
            Node(
                compare_choices,
                INPUTS,
                ["robust_choices", "break_even"],
                name="compare_choices",
            ),
            Node(
                explain_losers,
                [*INPUTS, "params:grid", *trials],
                "why_not",
                name="explain_losers",
            ),
            Node(
                recommend_candidates,
                [*INPUTS, *SENSITIVITIES],
                "recommendations",
                name="recommend_candidates",
            ),
        ]
    )
