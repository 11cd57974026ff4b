"""The data engineering stage: three nodes per dataset, the check of its raw tables first."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import BOXES, NodeFunction
from rightfit_kedro.pipelines.data_engineering.nodes import (
    assemble_rows,
    assemble_taught_rows,
    check_raw_tables,
    encode_rows,
)


def create_pipeline(grid: Grid) -> Pipeline:
    """Build the nodes of every dataset of the grid.

    Kedro runs nodes level by level: the checks depend on raw tables alone, so that all of them
    run before anything slow does.
    """
    nodes: list[Node] = []
    for name, raw in grid.tables.items():
        spec, check, rows = (f"{name}.{entry}" for entry in ("spec", "raw_check", "rows"))
        counts = f"{name}.row_counts"
        outputs = ("encoder", "train", "validation", "test", "data_card")
        box = f"{BOXES['data_engineering']}.{name}"
        assembling, teaching = NodeFunction(assemble_rows), []
        if teacher := grid.teachers.get(name):
            n_searches = len(grid.list_searched(name))
            assembling = NodeFunction(
                assemble_taught_rows, teacher_name=teacher, n_searches=n_searches
            )
            teaching = [f"params:models.{teacher}", "params:training.budget_cpu_s"]
        nodes += [
            Node(
                NodeFunction(check_raw_tables, dataset_name=name),
                [f"params:datasets.{name}", "inferred_descriptions", *raw],
                [spec, check],
                name="check_raw_tables",
                namespace=box,
            ),
            Node(
                assembling,
                [spec, check, *teaching, *raw],
                [rows, counts],
                name="assemble_rows",
                namespace=box,
            ),
            Node(
                NodeFunction(encode_rows, dataset_name=name),
                [spec, check, counts, rows],
                [f"{name}.{output}" for output in outputs],
                name="encode_rows",
                namespace=box,
            ),
        ]
    return Pipeline(nodes)
