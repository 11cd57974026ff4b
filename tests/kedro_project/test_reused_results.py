"""Runs of a small pipeline with the runner: what is left out, and which versions are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.reports import build_results
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from rightfit._core.processes.json_store import JsonStore
from rightfit.kedro_project.configuration import ConfigurationError
from rightfit.kedro_project.result_records import RecordStore, record_file
from rightfit.kedro_project.run import RightfitRunner
from rightfit.ranking.explanation.decisions import write_recommendations

EARLIER = "rightfit.kedro_project.datasets.earlier_runs.EarlierWinnersDataset"


def double(numbers: list[int], by: int) -> list[int]:
    return [by * number for number in numbers]


def total(numbers: list[int]) -> int:
    return sum(numbers)


def recommend(numbers: list[int], winners: dict[str, Any]) -> dict[str, Any]:
    assert numbers == [1, 2]
    return winners


NODES = (
    Node(double, ["raw", "params:by"], "doubled", name="double"),
    Node(total, "doubled", "total", name="total"),
)


def double_winners(numbers: list[int], winners: dict[str, Any]) -> list[int]:
    return [*numbers, *numbers, len(winners)]


class RanNodes:
    """Notes the nodes that run."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        self.names.append(node.name)


class Project:
    """A folder with one raw file; each run is a new catalog and runner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "raw.json").write_text("[1, 2]")

    def catalog(self, version: str) -> DataCatalog:
        def entry(name: str, **more: Any) -> dict[str, Any]:
            return {"type": "json.JSONDataset", "filepath": f"{self.folder}/{name}.json", **more}

        store = {"type": "rightfit.kedro_project.datasets.stores.JsonStoreDataset"}
        return DataCatalog.from_config(
            {
                "raw": entry("raw"),
                "doubled": entry("doubled", versioned=True),
                "total": entry("total", versioned=True),
                "recommendations": entry("recommendations", versioned=True),
                "earlier_winners": entry("recommendations", versioned=True) | {"type": EARLIER},
                "result_records": store | {"filepath": f"{self.folder}/records"},
            },
            save_version=version,
        )

    def run(
        self,
        version: str,
        *,
        by: int = 2,
        only: str | None = None,
        nodes: tuple[Node, ...] = NODES,
        may_reuse: bool = True,
        parameters: dict[str, Any] | None = None,
    ) -> list[str]:
        """Run the pipeline, or one node of it; return the nodes that ran."""
        catalog = self.catalog(version)
        catalog["params:by"] = by
        pipeline = Pipeline(nodes)
        if only is not None:
            pipeline = pipeline.only_nodes(only)
        catalog["parameters"] = parameters or {}
        manager, ran = _create_hook_manager(), RanNodes()
        manager.register(ran)
        RightfitRunner(may_reuse=may_reuse).run(pipeline, catalog, manager, version)
        return ran.names


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in (
        "nodes.is_own",
        "run.is_own",
        "reused_results.is_own",
        "reused_results.is_shipped",
    ):
        monkeypatch.setattr(f"rightfit.kedro_project.{name}", lambda node: True)
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
        {"parameters": {"reuse_results": False}},
        {"may_reuse": False},
    ],
)
def test_what_is_asked_for_by_hand_runs(project: Project, asked: dict[str, Any]) -> None:
    project.run("1")

    assert project.run("2", **asked) == ["double", "total"]


def test_table_replaced_while_a_run_reads_it_is_read_again_by_the_next(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    def double_late(numbers: list[int], by: int) -> list[int]:
        (project.folder / "raw.json").write_text("[5, 6]")
        return double(numbers, by)

    late = (Node(double_late, ["raw", "params:by"], "doubled", name="double"), NODES[1])

    project.run("1", nodes=late)
    assert "raw changed while this run read it" in caplog.text
    assert project.run("2") == ["double", "total"]
    assert project.catalog("3").load("doubled") == [10, 12]
    (project.folder / "raw.json").write_text("[1, 2]")
    assert project.run("3") == ["double", "total"]
    assert project.run("4") == []


def test_run_keeps_the_recorded_version_although_a_newer_one_is_there(project: Project) -> None:
    project.run("1")
    project.catalog("9999").save("doubled", [1000])
    (project.folder / "total.json" / "1" / "total.json").unlink()

    assert project.run("2") == ["total"]
    assert project.catalog("3").load("total") == 6


def rewrite(path: Path, text: str) -> None:
    """Write another text, and set the time of change back."""
    times = path.stat()
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:-1])


def forge(path: Path) -> None:
    rewrite(path, path.read_text().replace("2", "3"))


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def rot(project: Project, name: str, path: Path) -> None:
    """Change a result as a disk does: size and all times stay those that were recorded."""
    rewrite(path, path.read_text().replace("2", "3"))
    records = RecordStore(JsonStore(project.folder / "records"))
    record = records.read_result(name)
    assert record is not None
    now = record_file(path, "")
    records.write_result(replace(record, files=(replace(now, sha256=record.files[0].sha256),)))


def test_records_that_cannot_be_read_are_named(project: Project) -> None:
    project.run("1")
    for record in (project.folder / "records").iterdir():
        record.unlink()
        record.symlink_to(record)

    with pytest.raises(ConfigurationError, match=r"records.*: symbolic links lead in a circle"):
        project.run("2")


@pytest.mark.parametrize("damage", [cut, forge, replace_by_pipe])
def test_damaged_result_is_set_aside_and_made_anew(
    project: Project, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    project.run("1")
    stored = project.folder / "doubled.json" / "1" / "doubled.json"
    damage(stored)

    assert project.run("2") == ["double", "total"]
    assert project.run("3") == []
    assert project.catalog("4").load("doubled") == [2, 4]
    assert not stored.exists()
    assert stored.with_name("doubled.json.damaged").exists()
    (line,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert line.startswith("Damaged results are set aside as *.damaged, and made anew: doubled (")


def test_result_that_was_touched_is_whole_and_read_only_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("1")
    os.utime(project.folder / "doubled.json" / "1" / "doubled.json", ns=(1, 1))

    assert project.run("2") == []
    monkeypatch.setattr("hashlib.file_digest", None)
    assert project.run("3") == []


def test_files_that_seem_the_same_are_read_where_that_is_asked_for(project: Project) -> None:
    project.run("1")
    rot(project, "doubled", project.folder / "doubled.json" / "1" / "doubled.json")

    assert project.run("2") == []
    assert project.run("3", parameters={"verify_results": True}) == ["double", "total"]
    assert project.catalog("4").load("doubled") == [2, 4]


def test_result_with_a_newer_version_that_others_would_read_is_made_anew(project: Project) -> None:
    project.run("1")
    project.catalog("2").save("doubled", [1000])  # by a killed run, or before a clock was set back

    assert project.run("3") == ["double", "total"]
    assert project.run("4") == []
    assert project.catalog("5").load("doubled") == [2, 4]


def test_damaged_input_that_no_step_makes_is_refused_with_the_cure(project: Project) -> None:
    project.run("1")
    cut(project.folder / "doubled.json" / "1" / "doubled.json")

    with pytest.raises(ConfigurationError, match=r"doubled\.json is not what .*perf --params ver"):
        project.run("2", only="total")


def test_raw_file_with_its_size_and_time_kept_is_another_one(project: Project) -> None:
    project.run("1")
    rewrite(project.folder / "raw.json", "[2, 2]")

    assert project.run("2") == ["double", "total"]
    assert project.catalog("3").load("total") == 8


def test_nodes_of_others_always_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rightfit.kedro_project.reused_results.is_own", lambda node: node.name != "total"
    )
    project.run("1")

    assert project.run("2") == ["total"]


def test_tagged_nodes_always_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rightfit.kedro_project.reused_results.is_shipped", lambda node: node.name != "total"
    )
    project.run("1")

    assert project.run("2") == ["total"]


def test_step_after_its_own_result_is_unchanged(project: Project) -> None:
    node = Node(recommend, ["raw", "earlier_winners"], "recommendations", name="recommend")

    assert project.run("1", nodes=(node,)) == ["recommend"]
    assert project.run("2", nodes=(node,)) == []


def test_step_of_other_winners_runs_again(project: Project) -> None:
    node = Node(double_winners, ["raw", "earlier_winners"], "doubled", name="double")
    project.run("1", nodes=(node,))
    assert project.run("2", nodes=(node,)) == []

    recommended = write_recommendations(build_results().recommendations)
    project.catalog("3").save("recommendations", recommended)

    assert project.run("4", nodes=(node,)) == ["double"]
    assert project.run("5", nodes=(node,)) == []
