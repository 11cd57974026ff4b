"""Search every cell: configurations, training through checkpoints, candidates."""

from rightfit.kedro_project.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
