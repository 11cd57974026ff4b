"""Evaluation: measure what every candidate costs to serve."""

from rightfit.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
