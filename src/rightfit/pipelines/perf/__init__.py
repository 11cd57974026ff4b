"""The main job: prepare, search, measure, rank, report."""

from rightfit.pipelines.perf.pipeline import create_pipeline

__all__ = ["create_pipeline"]
