"""Nodes of the reporting stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import polars as pl

from rightfit.data.data_card import DataCard
from rightfit.measuring.naming import words
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS, complete_paths
from rightfit.ranking.explanation.decisions import read_recommendations
from rightfit.reporting.charts.front_chart import (
    behind_menu,
    draw_front,
    draw_nothing,
    find_limit_lines,
)
from rightfit.reporting.charts.palette import marks_of
from rightfit.reporting.charts.throughput_chart import draw_curves
from rightfit.reporting.charts.utility_chart import draw_utilities, draw_winners
from rightfit.reporting.html_report import render_report
from rightfit.reporting.markdown_report import render_markdown
from rightfit.reporting.run_results import Results, select_winners

# among charts of datasets
UTILITIES, WINNERS, CURVES = "utilities of applications", "winners", "throughput by batch size"
Table = TypeVar("Table")
Figure = Any  # plotly's; Kedro resolves hints when it starts, and plotly takes long to import


def draw_charts(
    resource_profiles: pl.DataFrame,
    rankings: pl.DataFrame,
    utility_breakdown: pl.DataFrame,
    recommendations: object,
    applications: ApplicationsParams,
    **data_cards: DataCard,
) -> dict[str, Figure]:
    """Draw the charts that kedro-viz shows.

    Returns:
        Quality against cost by dataset, each application's utilities by objective, the winners, and
        throughput and memory by batch size.
    """
    marks = marks_of(resource_profiles["model"])
    completed, winners = complete_paths(resource_profiles), select_winners(rankings)
    charts: dict[str, Figure] = {}
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
    utilities = {
        words(name): draw_utilities(rankings, utility_breakdown, application=name, marks=marks)
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
        rankings=tables["rankings"],
        recommendations=read_recommendations(tables["recommendations"]),
        qualities={name: card.quality for name, card in cards.items()},
        data_cards=cards,
        trials=pl.concat(_select_kind(tables, "trials").values()),
        audits=pl.concat(_select_kind(tables, "search_audit").values()),
        environment=tables["environment"],
        load_curves=tables["load_curves"],
        hardware_tiers=tables["hardware_tiers"],
        utility_breakdown=tables["utility_breakdown"],
        win_shares=tables["win_shares"],
        limit_effects=tables["limit_effects"],
        robust_choices=tables["robust_choices"],
        break_even=tables["break_even"],
        run=tables["run_version"].run,
        measured_in=tables["run_version"].measured_in,
    )
    return render_report(results, evaluation.tiers), render_markdown(results, evaluation.tiers)


def _select_kind(tables: Mapping[str, Table], kind: str) -> dict[str, Table]:
    """Return what is called ``{something}.{kind}``, by that something, in the given order."""
    return {
        name.removesuffix(f".{kind}"): table
        for name, table in tables.items()
        if name.endswith(f".{kind}")
    }
