"""The reporting stage: one node for the charts, one for the report."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES
from rightfit_kedro.pipelines.reporting.nodes import (
    CURVES,
    RANKED_TABLES,
    UTILITIES,
    WINNERS,
    draw_charts,
    write_report,
)

BOX = BOXES["reporting"]
CHART_TABLES = (*RANKED_TABLES, "rankings")
SEARCH_TABLES = ("trials", "search_audit")  # of each dataset
REPORT_TABLES = (
    *RANKED_TABLES,
    "hardware_tiers",
    "environment",
    "load_curves",
    "run_version",
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Create the reporting pipeline for the datasets of the grid in use."""
    cards = {name: f"{name}.data_card" for name in grid.datasets}
    searches = [f"{dataset}.{kind}" for kind in SEARCH_TABLES for dataset in grid.datasets]
    tables = (*REPORT_TABLES, *cards.values(), *searches)
    return Pipeline(
        [
            Node(
                draw_charts,
                {name: name for name in CHART_TABLES}
                | {name: f"params:{name}" for name in ("applications", "ranking")}
                | cards,
                {name: f"{name}_front_chart" for name in cards}
                | {
                    UTILITIES: "utility_chart",
                    WINNERS: "winners_chart",
                    CURVES: "throughput_chart",
                },
                name="draw_charts",
                namespace=BOX,
            ),
            Node(
                write_report,
                {name: f"params:{name}" for name in ("applications", "ranking", "evaluation")}
                | {name: name for name in tables},
                ["report", "report_markdown"],
                name="write_report",
                namespace=BOX,
            ),
        ]
    )
