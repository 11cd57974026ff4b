"""The data engineering stage: three nodes per dataset, the check of its raw tables first."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.data_engineering.nodes import (
    assemble_rows,
    check_raw_tables,
    encode_rows,
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Build the nodes of every dataset of the grid.

    Kedro runs nodes level by level: the checks depend on raw tables alone, so that all of them
    run before anything slow does.
    """
    nodes: list[Node] = []
    for dataset, entries in grid.tables.items():
        nodes += _dataset_nodes(dataset, entries)
    return Pipeline(nodes)


def _dataset_nodes(name: str, raw: tuple[str, ...]) -> list[Node]:
    block, inferred = f"params:datasets.{name}", "inferred_descriptions"
    spec, check, rows, encoder = (
        f"{name}.{entry}" for entry in ("spec", "raw_check", "rows", "encoder")
    )
    counts, card = f"{name}.row_counts", f"{name}.data_card"
    parts = [f"{name}.train", f"{name}.validation", f"{name}.test"]
    box = f"{BOXES['data_engineering']}.{name}"
    return [
        Node(
            NodeFunction(check_raw_tables, dataset_name=name),
            [block, inferred, *raw],
            [spec, check],
            name="check_raw_tables",
            namespace=box,
        ),
        Node(
            assemble_rows,
            [spec, check, *raw],
            [rows, counts],
            name="assemble_rows",
            namespace=box,
        ),
        Node(
            NodeFunction(encode_rows, dataset_name=name),
            [spec, check, counts, rows],
            [encoder, *parts, card],
            name="encode_rows",
            namespace=box,
        ),
    ]
