"""Ranking: profiles and applications to rankings, recommendations and their sensitivity."""

from rightfit.pipelines.ranking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
