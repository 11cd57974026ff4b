"""Turn raw tables into checked, encoded model input with a data card."""

from rightfit_kedro.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
