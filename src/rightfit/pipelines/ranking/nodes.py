"""Nodes of the ranking stage. Each ranks anew: that takes less than reading a file."""

from __future__ import annotations

import logging

import polars as pl

from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.grid import UnsuitableGridError
from rightfit.parameters.ranking import RankingParams
from rightfit.ranking.contest.profile_table import check_columns, find_unmeasured, read_profiles
from rightfit.ranking.explanation.breakdown import tabulate_breakdown
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.explanation.rankings import tabulate_rankings
from rightfit.ranking.explanation.recommendation import Sensitivities, recommend
from rightfit.ranking.explanation.refits import Refits
from rightfit.ranking.explanation.why_not import tabulate_why_not
from rightfit.ranking.rank_candidates import Ranked, rank_applications
from rightfit.ranking.sensitivity.break_even import tabulate_break_even
from rightfit.ranking.sensitivity.limit_prices import tabulate_limit_prices
from rightfit.ranking.sensitivity.limit_shadows import tabulate_limit_shadows
from rightfit.ranking.sensitivity.robust import tabulate_robust_choices
from rightfit.ranking.sensitivity.weight_intervals import tabulate_weight_intervals
from rightfit.ranking.sensitivity.weight_space import tabulate_win_shares

logger = logging.getLogger(__name__)

REFITS_OF = "refits_of_"  # a dataset's name may be that of another input


def rank_candidates(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, ranking: RankingParams
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Rank the candidates of every dataset for every application.

    Returns:
        The rankings, once for Parquet and once for CSV, and what each objective contributes.
    """
    ranked = _rank(resource_profiles, applications, ranking)
    rankings = tabulate_rankings(ranked)
    _warn_of_unmeasured(ranked)
    logger.info(
        "Ranked %d profiles for %d applications", resource_profiles.height, len(applications.root)
    )
    return rankings, rankings, tabulate_breakdown(ranked)


def analyse_sensitivity(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, ranking: RankingParams
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Analyse how much the winners depend on weights and limits.

    Returns:
        Shares of weight space, intervals of single weights, what changed limits change, and what
        each limit costs.
    """
    ranked = _rank(resource_profiles, applications, ranking)
    return (
        tabulate_win_shares(ranked),
        tabulate_weight_intervals(ranked),
        tabulate_limit_shadows(ranked),
        tabulate_limit_prices(ranked),
    )


def compare_choices(
    resource_profiles: pl.DataFrame, applications: ApplicationsParams, ranking: RankingParams
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare the families across datasets, and training time with serving time.

    Returns:
        The robust choices, and after how many predictions a candidate pays back.
    """
    ranked = _rank(resource_profiles, applications, ranking)
    return tabulate_robust_choices(tabulate_rankings(ranked)), tabulate_break_even(ranked)


def explain_losers(
    resource_profiles: pl.DataFrame,
    applications: ApplicationsParams,
    ranking: RankingParams,
    *trials: pl.DataFrame,
) -> pl.DataFrame:
    """Give one reason for everything that did not win."""
    by_cell = {
        (str(dataset), str(model)): table
        for (dataset, model), table in pl.concat(trials)
        .partition_by("dataset", "model", as_dict=True, include_key=False)
        .items()
    }
    return tabulate_why_not(_rank(resource_profiles, applications, ranking), by_cell)


def recommend_candidates(
    resource_profiles: pl.DataFrame,
    applications: ApplicationsParams,
    ranking: RankingParams,
    *,
    weight_intervals: pl.DataFrame,
    limit_shadows: pl.DataFrame,
    robust_choices: pl.DataFrame,
    imported: tuple[str, ...],
    **refits: Refits,
) -> dict[str, object]:
    """Name the winner per application and dataset, and what would change it, as JSON types.

    ``refits`` holds the winners' refits, as ``refits_of_{dataset}``.
    """
    refits = {name.removeprefix(REFITS_OF): found for name, found in refits.items()}
    ranked = _rank(resource_profiles, applications, ranking)
    sensitivities = Sensitivities(weight_intervals, limit_shadows, robust_choices)
    return write_recommendations(recommend(ranked, sensitivities, imported=imported, refits=refits))


def _warn_of_unmeasured(ranked: list[Ranked]) -> None:
    for contest in (one.contest for one in ranked):
        for dataset, metrics in find_unmeasured(contest.table, contest.application).items():
            logger.warning(
                "%s, %s: nothing qualifies, no candidate was measured for %s",
                *(contest.name, dataset, metrics),
            )


def _rank(
    profiles: pl.DataFrame, applications: ApplicationsParams, rules: RankingParams
) -> list[Ranked]:
    if profiles.is_empty():
        raise UnsuitableGridError(
            "There is nothing to rank in this grid: every search or measurement of it has failed. "
            "The reasons stand in the log above and in 07_model_output/{dataset}/{model}/"
            "trials.parquet and profiles.parquet."
        )
    table = read_profiles(profiles)
    check_columns(table, applications, rules)
    return rank_applications(table, applications, rules)
