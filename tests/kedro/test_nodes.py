"""Names of a run that its pipeline does not have."""

from __future__ import annotations

import pytest

from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import find_unknown_names
from rightfit_kedro.pipelines import create_pipelines


@pytest.mark.parametrize(
    ("option", "written", "nearest"),
    [
        ("node_names", "report.write_reprot", "report.write_report"),
        ("from_nodes", "write_report", "report.write_report"),
        (
            "to_nodes",
            "data_engineering.shuttel.encode_rows",
            "data_engineering.shuttle.encode_rows",
        ),
        ("namespaces", "training.landsta", "training.landsat"),
        ("to_outputs", "rejection", "rejections"),
    ],
)
def test_unknown_name_of_a_run_is_answered_with_the_nearest(
    option: str, written: str, nearest: str
) -> None:
    tables = {"landsat": ("landsat",), "shuttle": ("shuttle",)}
    grid = Grid(tables, {"forest": "forest"})

    [line] = find_unknown_names({option: [written]}, create_pipelines(grid)["perf"])

    assert written in line
    assert f"did you mean {nearest!r}?" in line
