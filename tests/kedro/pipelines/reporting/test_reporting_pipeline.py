"""The reporting pipeline, run through Kedro on hand-made results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories.reports import run_ranking_and_reporting
from plotly import io

pytestmark = pytest.mark.whole

CHARTS = {
    "landsat_front": "Landsat: quality against latency p50",
    "fashion_mnist_front": "Fashion mnist: quality against latency p50",
    "utilities": "Satellite archive: utility by objective",
    "winners": "Which model fits",
    "throughput": "Landsat: throughput by batch size",
}


@pytest.fixture(scope="module")
def reporting(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    run_ranking_and_reporting(bootstrapped, root)
    return root / "08_reporting"


def newest(folder: Path) -> Path:
    return sorted(folder.glob(f"*/{folder.name}"))[-1]


@pytest.mark.parametrize("name", CHARTS)
def test_pipeline_writes_every_chart(reporting: Path, name: str) -> None:
    figure = io.from_json(newest(reporting / "charts" / f"{name}.json").read_text())

    assert figure.layout.title.text == CHARTS[name]
    assert any(len(trace.x) for trace in figure.data)


def test_pipeline_writes_a_report_that_names_the_winners(reporting: Path) -> None:
    report = newest(reporting / "reports" / "report.html").read_text(encoding="utf-8")
    recommendations = json.loads(newest(reporting / "recommendations.json").read_text())
    first_screen = report.split('id="case"', 1)[0]

    assert len(recommendations) == 4
    for recommendation in recommendations.values():
        for decision in recommendation["datasets"].values():
            assert decision["winner"]["candidate"] in first_screen
    run = newest(reporting / "reports" / "report.html").parent.name
    assert f"run {run}" in first_screen
    assert "Measured 20" in first_screen
