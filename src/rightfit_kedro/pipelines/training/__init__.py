"""Search every cell: configurations, training through checkpoints, candidates."""

from rightfit_kedro.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
