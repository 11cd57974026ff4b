from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from factories.rankings import make_profile, make_profiles

from rightfit.cli.verb_group import verbs
from rightfit_kedro.stored_results import ProjectLocation, StoredResults
from rightfit_kedro.verbs.clean import find_old_versions, find_unused_graphs

pytestmark = pytest.mark.whole


def name_version(day: int) -> str:
    return f"2026-01-{day:02d}T00.00.00.000Z"


class Root:
    """A data folder with versions of results, one a day."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder = folder
        self.project = project

    def write(self, file: str, *days: int) -> None:
        for day in days:
            path = self.folder / file / name_version(day) / Path(file).name
            path.parent.mkdir(parents=True)
            path.write_text("x" * 1000)

    def open(self) -> StoredResults:
        return ProjectLocation(str(self.folder), "test", folder=self.project).open_results()

    def find_old(self, keep: int) -> list[str]:
        found = find_old_versions(self.open(), keep=keep)
        return [str(old.relative_to(self.folder)) for old in found]


@pytest.fixture
def root(tmp_path: Path, project_path: Path) -> Root:
    return Root(tmp_path, project_path)


def test_newest_versions_of_each_result_stay(root: Root) -> None:
    root.write("07_model_output/landsat/net/trials.parquet", 1, 2, 3)
    root.write("05_model_input/old_dataset/train.parquet", 1)
    root.write("07_model_output/landsat/notes", 1, 2, 3)  # not of Rightfit

    assert root.find_old(keep=2) == [
        f"07_model_output/landsat/net/trials.parquet/{name_version(1)}"
    ]
    assert root.find_old(keep=3) == []


def test_what_a_kept_ranking_was_made_from_stays(root: Root) -> None:
    root.write("08_reporting/recommendations.json", 1, 5)
    root.write("07_model_output/resource_profiles.parquet", 2, 4, 6)

    old = root.find_old(keep=1)

    assert old == [
        f"07_model_output/resource_profiles.parquet/{name_version(2)}",
        f"08_reporting/recommendations.json/{name_version(1)}",
    ]


def test_command_deletes_whole_versions_and_says_how_much(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.write("08_reporting/reports/report.html", 1, 2)
    monkeypatch.chdir(root.project)

    def clean(*more: str) -> str:
        place = ("--keep", "1", "--data-root", str(root.folder), "--env", "test")
        return CliRunner().invoke(verbs, ["clean", *place, *more]).output

    assert "Would delete 1 version and 0 graphs, 0.0 MiB" in clean("--dry-run")
    assert "Deleted 1 version" in clean()
    assert [
        path.name for path in (root.folder / "08_reporting" / "reports" / "report.html").iterdir()
    ] == [name_version(2)]


def test_graphs_that_no_kept_profile_was_measured_as_go(root: Root) -> None:
    place = root.folder / "07_model_output"
    graphs = {name: place / "measurements" / "graphs" / f"{name}.onnx" for name in "abc"}
    graphs["a"].parent.mkdir(parents=True)
    for day, (name, graph) in enumerate(graphs.items(), 1):
        graph.write_text(name)
        table = make_profiles(
            make_profile("linear-0", graph_sha256=hashlib.sha256(name.encode()).hexdigest())
        )
        profiles = place / "resource_profiles.parquet" / name_version(day)
        profiles.mkdir(parents=True)
        table.write_parquet(profiles / "resource_profiles.parquet")

    results = root.open()

    assert find_unused_graphs(results, find_old_versions(results, keep=3)) == []
    assert find_unused_graphs(results, find_old_versions(results, keep=1)) == [
        graphs["a"],
        graphs["b"],
    ]
