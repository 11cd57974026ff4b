"""The refit stage: one node per dataset whose winners are refitted."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.refit.nodes import CANDIDATES_OF, refit_winners, remark_nothing


def create_pipeline(grid: Grid) -> Pipeline:
    """Build ``refit_winners`` per dataset, without those that are declared not to be refitted.

    It ranks for itself, so that the ranking that follows can say what is shipped.
    """
    return Pipeline([_refit_node(dataset, grid) for dataset in grid.refitted])


def create_remark() -> Pipeline:
    """Build what runs in place of a refit where none is wanted: a line that says so."""
    return Pipeline(
        [
            Node(
                remark_nothing,
                "params:refit",
                None,
                name="remark_nothing",
                namespace=BOXES["refit"],
            )
        ]
    )


def _refit_node(dataset: str, grid: Grid) -> Node:
    families = {model: grid.families[model] for model in grid.list_searched(dataset)}
    models = (*families, *grid.list_cascades(dataset))
    blocks = ("applications", "ranking", "refit", "training", "evaluation")
    tables = ("data_card", "train", "validation", "test", "rows", "encoder")
    return Node(
        NodeFunction(refit_winners, families=families),
        inputs={
            **{table: table for table in ("resource_profiles", "earlier_winners")},
            **{block: f"params:{block}" for block in blocks},
            **{table: f"{dataset}.{table}" for table in tables},
            **{store: store for store in ("studies", "measurements")},
            **{f"{CANDIDATES_OF}{model}": f"{dataset}.{model}.candidates" for model in models},
        },
        outputs=[f"{dataset}.refits", f"{dataset}.refitted"],
        name=f"refit_winners_{dataset}",
        namespace=BOXES["refit"],
    )
