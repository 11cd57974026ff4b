"""The refit stage: one node per dataset whose winners are refitted."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import BOXES, NodeFunction
from rightfit.parameters.grid import Grid
from rightfit.pipelines.refit.nodes import CANDIDATES_OF, refit_winners, remark_nothing

BLOCKS = ("applications", "ranking", "refit", "training", "evaluation")
OF_DATASET = ("data_card", "train", "validation", "test", "rows", "encoder")


def create_pipeline(grid: Grid) -> Pipeline:
    """Build ``refit_winners`` per dataset, without those that are declared not to be refitted.

    It ranks for itself, so that the ranking that follows can say what is shipped.
    """
    nodes = []
    for dataset in grid.refitted:
        families = {model: grid.families[model] for model in grid.list_searched(dataset)}
        models = (*families, *grid.list_cascades(dataset))
        nodes.append(
            Node(
                NodeFunction(refit_winners, families=families),
                inputs={
                    **{table: table for table in ("resource_profiles", "earlier_winners")},
                    **{block: f"params:{block}" for block in BLOCKS},
                    **{table: f"{dataset}.{table}" for table in OF_DATASET},
                    **{store: store for store in ("studies", "measurements")},
                    **{f"{CANDIDATES_OF}{one}": f"{dataset}.{one}.candidates" for one in models},
                },
                outputs=[f"{dataset}.refits", f"{dataset}.refitted"],
                name=f"refit_winners_{dataset}",
                namespace=BOXES["refit"],
            )
        )
    return Pipeline(nodes)


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
