"""Evaluation: measure what every candidate costs to serve."""

from rightfit.kedro_project.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
