"""Reporting: charts and the HTML report."""

from rightfit_kedro.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
