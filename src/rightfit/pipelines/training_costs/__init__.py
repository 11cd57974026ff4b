"""Training costs: what a training step costs at different batch sizes."""

from rightfit.pipelines.training_costs.pipeline import create_pipeline

__all__ = ["create_pipeline"]
