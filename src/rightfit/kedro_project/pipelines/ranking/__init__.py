"""Ranking: profiles and applications to rankings, recommendations and their sensitivity."""

from rightfit.kedro_project.pipelines.ranking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
