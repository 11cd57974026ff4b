from __future__ import annotations

import pytest

from rightfit import grid
from rightfit.pipelines.evaluation import create_pipeline


@pytest.fixture
def _two_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        grid, "_current", [grid.Grid(tables={"d": ("d",)}, models=("linear", "net"))]
    )


@pytest.mark.usefixtures("_two_cells")
def test_pipeline_profiles_each_cell_and_collects_all() -> None:
    pipeline = create_pipeline()

    assert pipeline.all_outputs() == {
        "environment",
        "d.linear.profiles",
        "d.net.profiles",
        "d.profiles",
        "resource_profiles",
        "hardware_tiers",
    }
    assert pipeline.inputs() == {
        "d.test",
        "d.data_card",
        "params:evaluation",
        "params:applications",
        "measurements",
        *(f"d.{m}.{n}" for m in ("linear", "net") for n in ("candidates", "trials")),
    }
