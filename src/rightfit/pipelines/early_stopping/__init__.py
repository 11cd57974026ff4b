"""Early stopping (RQ2): record unstopped trainings, replay every stopping rule on them."""

from rightfit.pipelines.early_stopping.pipeline import create_pipeline

__all__ = ["create_pipeline"]
