from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.reports import ENVIRONMENT
from factories.studies import LATER, VERSION, Study

import rightfit
from rightfit._core.errors import DamagedResultError, NothingStoredError, RightfitError
from rightfit_kedro.opened_project import Project
from rightfit_kedro.stored_results import ProjectLocation, StoredResults

pytestmark = pytest.mark.whole

OTHER_MACHINE = replace(ENVIRONMENT, environment_id="later")


def test_versions_are_listed_oldest_first(
    results: StoredResults, study: Study, open_catalog: Any
) -> None:
    open_catalog(study.root, LATER).save("environment", OTHER_MACHINE)

    assert results.list_versions("environment") == [VERSION, LATER]
    assert results.list_versions("rankings") == []


@pytest.mark.parametrize(
    ("at_most", "expected"), [(None, LATER), (LATER, LATER), ("2026-01-02T99", VERSION)]
)
def test_newest_version_is_no_newer_than_asked(
    results: StoredResults, study: Study, open_catalog: Any, at_most: str | None, expected: str
) -> None:
    open_catalog(study.root, LATER).save("environment", OTHER_MACHINE)

    assert results.find_version("environment", at_most=at_most) == expected


def test_an_old_version_is_loaded_though_there_is_a_newer_one(
    results: StoredResults, study: Study, open_catalog: Any
) -> None:
    open_catalog(study.root, LATER).save("environment", OTHER_MACHINE)

    assert results.load("environment", VERSION) == ENVIRONMENT
    assert results.load("environment", LATER) == OTHER_MACHINE


def test_nothing_stored_names_the_command(results: StoredResults) -> None:
    with pytest.raises(NothingStoredError, match=r"rankings.* yet\. Run: kedro run"):
        results.find_version("rankings")
    with pytest.raises(NothingStoredError, match="up to 2025"):
        results.find_version("environment", at_most="2025")


def test_versions_of_the_future_alone_are_told_apart_from_none(
    results: StoredResults, study: Study, open_catalog: Any
) -> None:
    open_catalog(study.root, "2999-01-01T00.00.00.000Z").save(
        "rankings", pl.DataFrame({"rank": [1]})
    )

    with pytest.raises(NothingStoredError, match=r"dated in the future.*Correct the clock"):
        results.find_version("rankings")


def test_pipe_in_place_of_a_result_is_damage_and_not_waited_for(
    results: StoredResults, study: Study
) -> None:
    path = study.root / "08_reporting" / "recommendations.json" / VERSION / "recommendations.json"
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(DamagedResultError, match="only regular files are read"):
        results.load("recommendations", VERSION)


def test_results_are_loaded_without_a_line_each(
    results: StoredResults, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "kedro.io.data_catalog")
    reader = logging.getLogger("kedro.io.data_catalog")
    monkeypatch.setattr(reader, "filters", [])  # such as that of a verb

    results.load("environment", VERSION)

    assert caplog.records == []


def test_relative_paths_start_from_the_project(tmp_path: Path) -> None:
    conf = tmp_path / "conf" / "base"
    conf.mkdir(parents=True)
    (tmp_path / "conf" / "local").mkdir()
    (conf / "catalog.yml").write_text(
        "environment: {type: json.JSONDataset, filepath: d/e.json, versioned: true}"
    )
    stored = tmp_path / "d" / "e.json" / VERSION
    stored.mkdir(parents=True)
    (stored / "e.json").write_text('{"cpu": "here"}')

    results = ProjectLocation(folder=tmp_path).open_results()

    assert results.load_newest("environment") == {"cpu": "here"}


@pytest.mark.parametrize("use", [ProjectLocation.open_results, ProjectLocation.read_parameters])
def test_outside_a_project_all_say_the_same_sentence(
    use: Callable[[ProjectLocation], object], tmp_path: Path
) -> None:
    with pytest.raises(
        RightfitError, match=r"^There is no project here: .*--conf-source.*folder=.*rightfit init$"
    ):
        use(ProjectLocation(folder=tmp_path))


@pytest.mark.parametrize("name", ["resource_profilez", "params:grid", "", 3])
def test_result_that_the_catalog_does_not_keep_is_one_clear_error(
    bootstrapped: Path, name: str
) -> None:
    project = Project(bootstrapped, ProjectLocation(folder=bootstrapped).open_results(), {})

    expected = r"The catalog has no result|name must be that of a result"
    with pytest.raises(RightfitError, match=expected):
        project.load(name)


def test_project_in_an_unknown_environment_is_one_clear_error(bootstrapped: Path) -> None:
    with pytest.raises(RightfitError, match="There is no environment 'nope'"):
        rightfit.open_project(bootstrapped, env="nope")
