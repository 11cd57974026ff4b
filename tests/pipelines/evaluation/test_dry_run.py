from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from rightfit import grid
from rightfit.pipelines.evaluation import create_pipeline
from rightfit.pipelines.evaluation.dry_run import DryRunHook


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    cells = grid.Grid(tables={"d": ("d",)}, models=("linear", "net"))
    monkeypatch.setattr(grid, "_current", [cells])
    return create_pipeline()


def make_catalog(project_path: Path, **changes: Any) -> DataCatalog:
    text = (project_path / "conf" / "base" / "parameters_evaluation.yml").read_text()
    values = yaml.safe_load(text)["evaluation"] | changes
    return DataCatalog(
        {
            "params:evaluation": MemoryDataset(values),
            "d.linear.candidates": MemoryDataset({"linear-001": "a bundle", "linear-002": "b"}),
            "d.net.candidates": MemoryDataset(),
        }
    )


def test_dry_run_shows_the_plan_and_ends_the_run(
    pipeline: Pipeline, project_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = make_catalog(project_path, dry_run=True, n_threads=[1])

    with caplog.at_level(logging.INFO), pytest.raises(SystemExit, match="0"):
        DryRunHook().before_pipeline_run(pipeline, catalog)

    assert "d.linear: 2 candidates, 4 profiles" in caplog.text
    assert "train first: d.net" in caplog.text


def test_other_runs_go_on(pipeline: Pipeline, project_path: Path) -> None:
    hook = DryRunHook()

    hook.before_pipeline_run(pipeline, make_catalog(project_path, dry_run=False))
    hook.before_pipeline_run(Pipeline([]), make_catalog(project_path, dry_run=True))
