"""Nodes of the ranking stage."""

from __future__ import annotations

import logging
from typing import Any

import polars as pl

from rightfit.pipelines.ranking.params import ApplicationsParams, RankingParams
from rightfit.ranking.profile_table import check_measured, read_profiles
from rightfit.ranking.ranked import Ranked, rank_applications
from rightfit.ranking.rankings import tabulate_rankings
from rightfit.ranking.recommendation import recommend

logger = logging.getLogger(__name__)


def rank_candidates(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, ranking: RankingParams
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rank the candidates of every dataset for every application.

    Returns:
        The rankings, once for Parquet and once for CSV.
    """
    rankings = tabulate_rankings(_rank(resource_profiles, applications, ranking))
    logger.info(
        "Ranked %d profiles for %d applications", resource_profiles.height, len(applications.root)
    )
    return rankings, rankings


def recommend_candidates(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, ranking: RankingParams
) -> dict[str, Any]:
    """Name the winner per application and dataset, and what it hangs on."""
    return recommend(_rank(resource_profiles, applications, ranking))


def _rank(
    profiles: pl.DataFrame, applications: ApplicationsParams, rules: RankingParams
) -> list[Ranked]:
    table = read_profiles(profiles)
    check_measured(table, applications, rules)
    return rank_applications(table, applications, rules)
