"""All stages as one pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from rightfit.pipelines import data_engineering, evaluation, ranking, reporting, training

_STAGES = (data_engineering, training, evaluation, ranking, reporting)


def create_pipeline() -> Pipeline:
    """Join the stages; they meet in the catalog only."""
    return Pipeline([node for stage in _STAGES for node in stage.create_pipeline().nodes])
