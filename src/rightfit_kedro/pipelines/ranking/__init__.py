"""Ranking: profiles and applications to rankings, recommendations and their sensitivity."""

from rightfit_kedro.pipelines.ranking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
