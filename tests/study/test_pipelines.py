"""The repository's project offers the studies, and checks their parameters as the library's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset

from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import PIPELINES, find_stage, is_own
from rightfit_kedro.run import RightfitSession, refuse_model_faults
from rightfit_project.pipeline_registry import register_pipelines
from rightfit_study.pipelines import create_pipelines

pytestmark = pytest.mark.whole

GRID = Grid({"iris": ("flowers",)}, {"net": "net"})
STUDIES = create_pipelines(GRID)


def test_project_offers_the_studies_beside_the_library(bootstrapped: Path) -> None:
    with RightfitSession.create(bootstrapped, env="test") as session:
        session.load_context()

        assert set(register_pipelines()) == {*PIPELINES, *STUDIES, "__default__"}


@pytest.mark.parametrize("name", ["early_stopping", "training_costs"])
def test_nodes_of_a_study_are_own(name: str) -> None:
    nodes = STUDIES[name].nodes

    assert all(map(is_own, nodes))
    assert {find_stage(node) for node in nodes} == {name}


@pytest.mark.parametrize("name", ["early_stopping", "training_costs"])
def test_module_without_a_family_is_named_before_a_study(name: str) -> None:
    models = {"mine": {"family": "my_study.nothing"}}
    parameters = {"grid": {"models": ["mine"]}, "models": models, "datasets": {}}
    catalog = DataCatalog({"parameters": MemoryDataset(parameters)})

    with pytest.raises(ConfigurationError, match=r"models\.mine: There is no module 'my_study"):
        refuse_model_faults(STUDIES[name].nodes, catalog)


@pytest.mark.parametrize(
    ("pipeline", "params", "message"),
    [
        (
            "early_stopping",
            {"early_stopping": {"replay": {"seed": -1}, "recording": {"n_snapshots": 9}}},
            r"'early_stopping'.*\nrecording\n.* n_snapshots=9 exceeds n_configurations=4(.|\n)*"
            r"\nreplay\.seed\n.* greater than or equal to 0(.|\n)*Correct conf/",
        ),
        (
            "early_stopping",
            {"early_stopping": {"repaly": {"seed": 1}}},
            r"'early_stopping'.*\nrepaly\n.* not permitted",
        ),
        ("early_stopping", {"n_orders": 3}, r"did you mean early_stopping\.replay\.n_orders"),
        ("training_costs", {"training_costs": {"batch_sizes": [0]}}, r"\nbatch_sizes\.0\n"),
        ("early_stopping", {"grid": {"models": ["linaer"]}}, r"^grid\.models names \['linaer'\]"),
        ("__default__", {"early_stopping": {"replay": {"seed": -1}}}, r"\nreplay\.seed\n"),
    ],
)
def test_wrong_parameters_are_refused_before_a_study(
    bootstrapped: Path, tmp_path: Path, pipeline: str, params: dict[str, Any], message: str
) -> None:
    given = {**params, "data_root": str(tmp_path)}
    with (
        RightfitSession.create(bootstrapped, env="test", runtime_params=given) as session,
        pytest.raises(ConfigurationError, match=message),
    ):
        session.run(pipeline_names=[pipeline])

    assert list(tmp_path.iterdir()) == []
