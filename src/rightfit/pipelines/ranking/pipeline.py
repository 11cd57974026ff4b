"""Ranking: resource profiles to rankings and recommendations."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.pipelines.ranking.nodes import rank_candidates, recommend_candidates

INPUTS = ["resource_profiles", "params:applications", "params:ranking"]


def create_pipeline(**kwargs: Any) -> Pipeline:  # noqa: ARG001 - Kedro's signature
    """Create the ranking pipeline."""
    return Pipeline(
        [
            Node(rank_candidates, INPUTS, ["rankings", "rankings_csv"], name="rank_candidates"),
            Node(recommend_candidates, INPUTS, "recommendations", name="recommend_candidates"),
        ]
    )
