"""Nodes of the reporting stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import polars as pl

from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.measuring.naming import words
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS, complete_paths
from rightfit.ranking.explanation.decisions import read_recommendations
from rightfit.ranking.explanation.rankings import tabulate_breakdown
from rightfit.ranking.explanation.recommendation import read_winners
from rightfit.reporting.charts.front_chart import (
    behind_menu,
    draw_front,
    draw_nothing,
    find_limit_lines,
)
from rightfit.reporting.charts.palette import Chart, marks_of
from rightfit.reporting.charts.throughput_chart import draw_curves
from rightfit.reporting.charts.utility_chart import draw_utilities, draw_winners
from rightfit.reporting.html_report import render_report
from rightfit.reporting.markdown_report import render_markdown
from rightfit.reporting.run_results import Results, select_winners
from rightfit_search.tables.data_card import DataCard

RANKED_TABLES = ("resource_profiles", "judged_predictions", "recommendations")  # see rank_again
# among charts of datasets
UTILITIES, WINNERS, CURVES = "utilities of applications", "winners", "throughput by batch size"
Table = TypeVar("Table")


def draw_charts(
    resource_profiles: pl.DataFrame,
    rankings: pl.DataFrame,
    judged_predictions: pl.DataFrame,
    recommendations: object,
    applications: ApplicationsParams,
    ranking: RankingRules,
    **data_cards: DataCard,
) -> dict[str, Chart]:
    """Draw the charts that kedro-viz shows.

    Returns:
        Quality against cost by dataset, each application's utilities by objective, the winners, and
        throughput and memory by batch size.
    """
    marks = marks_of(resource_profiles["model"])
    completed, winners = complete_paths(resource_profiles), select_winners(rankings)
    charts: dict[str, Chart] = {}
    for dataset, card in data_cards.items():
        profiles = completed.filter(dataset=dataset)
        if profiles.is_empty():
            charts[dataset] = draw_nothing(dataset)
            continue
        charts[dataset] = draw_front(
            profiles,
            dataset=dataset,
            quality_title=card.quality.title,
            marks=marks,
            limits=find_limit_lines(applications, profiles, card.quality),
            winners=winners.filter(dataset=dataset).select("application", *PROFILE_KEYS),
        )
    names = rankings["application"].unique(maintain_order=True).to_list()
    breakdown = tabulate_breakdown(
        rank_again(resource_profiles, judged_predictions, recommendations, applications, ranking)
    )
    utilities = {
        words(name): draw_utilities(rankings, breakdown, application=name, marks=marks)
        for name in names
    }
    return {
        **charts,
        UTILITIES: behind_menu(utilities, label="Application"),
        WINNERS: draw_winners(read_recommendations(recommendations), marks),
        CURVES: draw_curves(completed, winners, marks),
    }


def write_report(
    applications: ApplicationsParams,
    ranking: RankingRules,
    evaluation: EvaluationParams,
    **tables: Any,
) -> tuple[str, str]:
    """Write the report: one HTML file that opens offline, and the same as Markdown."""
    cards: dict[str, DataCard] = _select_kind(tables, "data_card")
    results = Results(
        applications=applications,
        rules=ranking,
        profiles=complete_paths(tables["resource_profiles"]),
        recommendations=read_recommendations(tables["recommendations"]),
        qualities={name: card.quality for name, card in cards.items()},
        data_cards=cards,
        trials=pl.concat(_select_kind(tables, "trials").values()),
        audits=pl.concat(_select_kind(tables, "search_audit").values()),
        environment=tables["environment"],
        load_curves=tables["load_curves"],
        hardware_tiers=tables["hardware_tiers"],
        ranked=rank_again(
            **{name: tables[name] for name in RANKED_TABLES},
            applications=applications,
            ranking=ranking,
        ),
        run=tables["run_version"].run,
        measured_in=tables["run_version"].measured_in,
    )
    return render_report(results, evaluation.tiers), render_markdown(results, evaluation.tiers)


def rank_again(
    resource_profiles: pl.DataFrame,
    judged_predictions: pl.DataFrame,
    recommendations: object,
    applications: ApplicationsParams,
    ranking: RankingRules,
) -> list[ApplicationRanking]:
    """Rank once more, in a fraction of a second, what the stored rankings were made from.

    The stored winners stand, so the order is the stored one. Applications that were not ranked are
    left out.
    """
    earlier = read_winners(recommendations)
    ranked = {name: asked for name, asked in applications.items() if name in earlier}
    profiles = Profiles(resource_profiles)
    return Ranking(
        profiles, Applications(ranked), ranking, earlier=earlier, judged=judged_predictions
    ).ranked


def _select_kind(tables: Mapping[str, Table], kind: str) -> dict[str, Table]:
    """Return what is called ``{something}.{kind}``, by that something, in the given order."""
    return {
        name.removesuffix(f".{kind}"): table
        for name, table in tables.items()
        if name.endswith(f".{kind}")
    }
