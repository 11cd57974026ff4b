"""Refit: winners trained again on train and validation rows."""

from rightfit.pipelines.refit.pipeline import create_pipeline, create_remark

__all__ = ["create_pipeline", "create_remark"]
