"""The reporting stage: one node for the charts, one for the report."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES
from rightfit.parameters.grid import Grid
from rightfit.pipelines.reporting.nodes import UTILITIES, WINNERS, draw_charts, write_report

BOX = BOXES["reporting"]
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
    return Pipeline([_chart_node(cards), _report_node(cards, trials | audits)])


def _chart_node(cards: dict[str, str]) -> Node:
    tables = ("resource_profiles", "rankings", "utility_breakdown", "recommendations")
    charts = {name: f"{name}_front_chart" for name in cards}
    return Node(
        draw_charts,
        {name: name for name in tables} | {"applications": "params:applications"} | cards,
        charts | {UTILITIES: "utility_chart", WINNERS: "winners_chart"},
        name="draw_charts",
        namespace=BOX,
    )


def _report_node(cards: dict[str, str], searches: dict[str, str]) -> Node:
    blocks = ("applications", "ranking", "evaluation")
    parameters = {name: f"params:{name}" for name in blocks}
    tables = {name: name for name in (*REPORT_TABLES, *cards.values())}
    inputs = parameters | tables | searches
    return Node(write_report, inputs, "report", name="write_report", namespace=BOX)
