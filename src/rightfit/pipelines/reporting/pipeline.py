"""The reporting stage: one node per chart, one for the report."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.parameters.grid import Grid
from rightfit.pipelines.reporting.nodes import (
    draw_fronts,
    draw_utility_chart,
    draw_winners_chart,
    write_report,
)

REPORT_TABLES = (
    "resource_profiles",
    "hardware_tiers",
    "rankings",
    "recommendations",
    "utility_breakdown",
    "win_shares",
    "weight_intervals",
    "limit_effects",
    "robust_choices",
    "break_even",
    "environment",
    "load_curves",
    "watches",
    "run_version",
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the reporting pipeline for the datasets of the grid in use."""
    cards = {name: f"{name}.data_card" for name in grid.datasets}
    trials, audits = (
        {name: name for name in (f"{dataset}.{kind}" for dataset in grid.datasets)}
        for kind in ("trials", "search_audit")
    )
    return Pipeline([*_chart_nodes(cards), _report_node(cards, trials | audits)])


def _chart_nodes(cards: dict[str, str]) -> list[Node]:
    return [
        Node(
            draw_fronts,
            {
                "resource_profiles": "resource_profiles",
                "rankings": "rankings",
                "applications": "params:applications",
                **cards,
            },
            {name: f"{name}_front_chart" for name in cards},
            name="draw_fronts",
        ),
        Node(
            draw_utility_chart,
            ["resource_profiles", "rankings", "utility_breakdown"],
            "utility_chart",
            name="draw_utility_chart",
        ),
        Node(
            draw_winners_chart,
            ["resource_profiles", "recommendations"],
            "winners_chart",
            name="draw_winners_chart",
        ),
    ]


def _report_node(cards: dict[str, str], searches: dict[str, str]) -> Node:
    blocks = ("applications", "ranking", "evaluation")
    parameters = {name: f"params:{name}" for name in blocks}
    tables = {name: name for name in (*REPORT_TABLES, *cards.values())}
    return Node(write_report, parameters | tables | searches, "report", name="write_report")
