"""Ranking: profiles and applications to rankings, recommendations and what they hang on."""

from rightfit.pipelines.ranking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
