"""Runs of a small pipeline with the hook: what is left out, and which versions are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from rightfit.reuse.hook import ReuseHook


def double(numbers: list[int], by: int) -> list[int]:
    return [by * number for number in numbers]


def total(numbers: list[int]) -> int:
    return sum(numbers)


class Project:
    """A folder with one raw file; each run is a new catalog and hook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "raw.json").write_text("[1, 2]")

    def catalog(self, version: str) -> DataCatalog:
        def entry(name: str, **more: Any) -> dict[str, Any]:
            return {"type": "json.JSONDataset", "filepath": f"{self.folder}/{name}.json", **more}

        store = {"type": "rightfit.datasets.json_store.JsonStoreDataset"}
        return DataCatalog.from_config(
            {
                "raw": entry("raw"),
                "doubled": entry("doubled", versioned=True),
                "total": entry("total", versioned=True),
                "result_records": store | {"filepath": f"{self.folder}/records"},
            },
            save_version=version,
        )

    def run(self, version: str, *, by: int = 2, **run_params: Any) -> list[str]:
        """Run the pipeline; return the nodes that ran."""
        catalog = self.catalog(version)
        catalog["params:by"] = by
        pipeline = Pipeline(
            [
                Node(double, ["raw", "params:by"], "doubled", name="double"),
                Node(total, "doubled", "total", name="total"),
            ]
        )
        manager = _create_hook_manager()
        manager.register(ReuseHook())
        manager.hook.before_pipeline_run(
            run_params={"run_id": version, **run_params}, pipeline=pipeline, catalog=catalog
        )
        SequentialRunner().run(pipeline, catalog, manager)
        return [node.name for node in pipeline.nodes]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr("rightfit.reuse.hook.is_own", lambda node: True)
    return Project(tmp_path)


def test_unchanged_steps_are_left_out_and_write_no_version(project: Project) -> None:
    assert project.run("1") == ["double", "total"]
    assert project.run("2") == []
    assert [path.name for path in (project.folder / "total.json").iterdir()] == ["1"]


def test_changed_parameter_and_changed_table_run_again(project: Project) -> None:
    project.run("1")

    assert project.run("2", by=3) == ["double", "total"]
    (project.folder / "raw.json").write_text("[1, 2, 3]")
    assert project.run("3", by=3) == ["double", "total"]
    assert project.catalog("4").load("total") == 18


@pytest.mark.parametrize(
    "asked",
    [
        {"runtime_params": {"reuse_results": False}},
        {"node_names": ["double"]},
        {"from_nodes": ["double"]},
        {"load_versions": {"doubled": "1"}},
        {"only_missing_outputs": True},
    ],
)
def test_what_is_asked_for_by_hand_runs(project: Project, asked: dict[str, Any]) -> None:
    project.run("1")

    assert project.run("2", **asked) == ["double", "total"]


def test_run_keeps_the_recorded_version_although_a_newer_one_is_there(project: Project) -> None:
    project.run("1")
    project.catalog("9999").save("doubled", [1000])
    (project.folder / "total.json" / "1" / "total.json").unlink()

    assert project.run("2") == ["total"]
    assert project.catalog("3").load("total") == 6


def test_nodes_of_others_always_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightfit.reuse.hook.is_own", lambda node: node.name != "total")
    project.run("1")

    assert project.run("2") == ["total"]
