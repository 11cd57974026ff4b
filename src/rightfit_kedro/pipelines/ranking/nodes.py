"""Nodes of the ranking stage.

The winners of the run before stand among practically equal candidates.
"""

from __future__ import annotations

import logging

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count

# Kedro reads the hints of node functions at run time.
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.typed_tables import write_as_text
from rightfit.api.profile_check import check_table
from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.api.stored_qualities import judge_applications
from rightfit.measuring.profile import complete_columns
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.application_ranking import Winners
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import find_unmeasured
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.explanation.reasons import tabulate_rejections

logger = logging.getLogger(__name__)


def judge_stored_predictions(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, measurements: JsonStore
) -> pl.DataFrame:
    """Judge the stored predictions as the applications do that name a metric or a column.

    Returns:
        See :func:`judge_applications`; no row where no application names one.
    """
    asks = any(application.has_own_quality for application in applications.values())
    profiles = complete_columns(resource_profiles)
    rows = load_predictions(measurements, profiles) if asks else {}
    return judge_applications(profiles, applications, rows)


def rank_candidates(
    resource_profiles: pl.DataFrame,
    applications: ApplicationsParams,
    ranking: RankingRules,
    earlier_winners: Winners,
    judged_predictions: pl.DataFrame | None,
    *trials: pl.DataFrame,
    imported: tuple[str, ...],
) -> tuple[object, ...]:
    """Rank the candidates of every dataset for every application, and explain the order.

    Returns:
        The rankings, once for Parquet and once for CSV; one reason for each candidate and trial
        that did not win; the recommendations as JSON types.
    """
    if resource_profiles.is_empty():
        raise RightfitError(
            "There is nothing to rank in this grid: every search or measurement of it has failed. "
            "The reasons stand in the log above and in 07_model_output/{dataset}/{model}/"
            "trials.parquet and profiles.parquet."
        )
    result = Ranking(
        Profiles(check_table(resource_profiles, "resource_profiles")),
        applications,
        ranking,
        imported=imported,
        earlier=earlier_winners,
        judged=judged_predictions,
    )
    result.check()
    for assessment in (application_ranking.assessment for application_ranking in result.ranked):
        for dataset, metrics in find_unmeasured(assessment.table, assessment.application).items():
            logger.warning(
                "%s, %s: nothing qualifies, no candidate was measured for %s",
                assessment.name,
                dataset,
                metrics,
            )
    logger.info(
        "Ranked %s for %s",
        count(resource_profiles.height, "profile"),
        count(len(applications), "application"),
    )
    return (
        result.table,
        write_as_text(result.table, "violations"),
        tabulate_rejections(result.ranked, pl.concat(trials)),
        write_recommendations(result.recommendations),
    )
