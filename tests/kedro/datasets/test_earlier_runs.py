from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories.reports import build_results
from kedro.io import DatasetError
from kedro.io.core import Version

from rightfit.measuring.serving import Serving
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit_kedro.datasets.earlier_runs import EarlierWinnersDataset

DAMAGED = '{"web_api": '


def write(folder: Path, version: str, text: str) -> None:
    file = folder / "recommendations.json" / version / "recommendations.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def open_at(folder: Path, run: str) -> EarlierWinnersDataset:
    path = str(folder / "recommendations.json")
    return EarlierWinnersDataset(filepath=path, version=Version(None, run))


@pytest.fixture
def recommended() -> dict[str, Any]:
    return write_recommendations(build_results().recommendations)


def test_winners_are_those_of_the_newest_run_before(
    tmp_path: Path, recommended: dict[str, Any]
) -> None:
    write(tmp_path, "2026-01-01", "{}")
    write(tmp_path, "2026-01-02", json.dumps(recommended))
    write(tmp_path, "2026-01-03", "{}")

    winners = open_at(tmp_path, "2026-01-03").load()

    found = recommended["accuracy_first"]["datasets"]["landsat"]["winner"]
    serving = Serving(found["runtime"], found["n_threads"], found["device"], found["request_path"])
    assert winners["accuracy_first"]["landsat"] == ProfileKey(
        found["model"], found["candidate"], serving
    )
    assert open_at(tmp_path, "2026-01-02").load() == {}


def test_first_run_has_no_winners_before(tmp_path: Path) -> None:
    assert open_at(tmp_path, "2026-01-01").load() == {}


def test_damaged_document_is_passed_over_and_named_once(
    tmp_path: Path, recommended: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "2026-01-01", json.dumps(recommended))
    write(tmp_path, "2026-01-02", DAMAGED)
    dataset = open_at(tmp_path, "2026-01-03")

    assert dataset.load() == dataset.load() == open_at(tmp_path, "2026-01-02").load() != {}
    (line,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert "2026-01-02 cannot be read" in line


def test_damaged_document_alone_counts_as_none(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", DAMAGED)

    assert open_at(tmp_path, "2026-01-02").load() == {}


def test_winners_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only read here"):
        open_at(tmp_path, "2026-01-01").save({})
