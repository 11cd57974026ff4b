"""Reporting: charts and the HTML report."""

from rightfit.kedro_project.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
