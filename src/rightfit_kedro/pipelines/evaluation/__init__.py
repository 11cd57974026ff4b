"""Evaluation: measure what every candidate costs to serve."""

from rightfit_kedro.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
