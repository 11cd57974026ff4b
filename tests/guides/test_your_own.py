"""The guide works as it stands: its blocks, added to a fresh copy of the project, take part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from guides import copy_project, read_blocks

MAX_CHANGED_LINES = 95
MAX_BLOCK_LINES = 8


@pytest.fixture(scope="module")
def guide(project_path: Path) -> Path:
    return project_path / "docs" / "your_own.md"


@pytest.fixture(scope="module")
def grown_project(
    guide: Path, project_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of the project after following the guide."""
    copy = copy_project(project_path, tmp_path_factory.mktemp("grown"))
    for block in read_blocks(guide):
        block.apply(copy)
    make_orchard().write_parquet(copy / "data" / "01_raw" / "orchard.parquet")
    write_incumbent(copy / "models" / "apples.onnx")
    return copy


def write_incumbent(path: Path) -> None:
    """Train a model of mass and width elsewhere, and keep its ONNX file alone."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    apples = make_orchard().drop_nulls()
    rows = apples.select("mass_g", "width_mm").to_numpy().astype(np.float32)
    model = RandomForestClassifier(10, max_depth=4, random_state=0)
    model.fit(rows, apples["variety"].to_numpy())
    path.parent.mkdir()
    path.write_bytes(to_onnx(model, rows[:1]).SerializeToString())


def make_orchard() -> pl.DataFrame:
    """Draw 1,200 apples of three varieties, with gaps; a quarter is for the test."""
    rng = np.random.default_rng(0)
    n = 1200
    kind = rng.integers(0, 3, n)
    soil = np.where(rng.random(n) < 0.7, kind, rng.integers(0, 3, n))
    table = pl.DataFrame(
        {
            "mass_g": rng.normal(150 + 30 * kind, 15),
            "width_mm": rng.normal(70 + 2 * kind, 4),
            "soil": np.array(["clay", "loam", "sand"])[soil],
            "slope": rng.choice(["flat", "south"], n),
            "variety": np.array(["boskoop", "elstar", "topaz"])[kind],
            "split": np.where(rng.random(n) < 0.25, "test", "train"),
        }
    )
    gaps = {name: pl.Series(rng.random(n) < 0.05) for name in ("mass_g", "soil", "slope")}
    return table.with_columns(pl.when(~gap).then(pl.col(name)) for name, gap in gaps.items())


def run_project(project: Path, *arguments: str) -> None:
    """Run a project with the tests' tiny budgets."""
    result = try_project(project, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def try_project(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project / "src"), "KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def read_result(project: Path, name: str) -> pl.DataFrame:
    (written,) = (project / "data" / name).glob("*/*.parquet")
    return pl.read_parquet(written)


def test_guide_changes_few_lines(guide: Path) -> None:
    blocks = read_blocks(guide)

    assert {block.language for block in blocks} == {"diff", "python", "yaml"}
    assert sum(len(block.added) for block in blocks) <= MAX_CHANGED_LINES


def test_first_block_and_its_line_are_enough_for_a_dataset(
    guide: Path, project_path: Path, tmp_path: Path
) -> None:
    copy = copy_project(project_path, tmp_path)
    block, line = read_blocks(guide)[:2]
    block.apply(copy)
    line.apply(copy)
    make_orchard().write_parquet(copy / "data" / "01_raw" / "orchard.parquet")

    run_project(copy, "--pipelines", "data_engineering", "--params", "grid.datasets=[orchard]")

    (path,) = (copy / "data" / "05_model_input" / "orchard" / "data_card.json").glob("*/*.json")
    card = json.loads(path.read_text())
    assert len(block.added) <= MAX_BLOCK_LINES
    assert card["features"]["numeric"] == ["mass_g", "width_mm"]
    assert card["features"]["categorical"] == ["soil", "slope"]
    assert card["input_schema"]["classes"] == ["boskoop", "elstar", "topaz"]
    assert card["quality"] == {"name": "accuracy", "worst": 0.34, "best": 1.0, "options": {}}


def test_guide_brings_everything_into_the_configuration(
    grown_project: Path, project_path: Path
) -> None:
    def read(project: Path) -> tuple[set[str], set[str], set[str]]:
        conf = project / "conf" / "base"
        grid = yaml.safe_load((conf / "parameters_grid.yml").read_text())["grid"]
        applications = yaml.safe_load((conf / "parameters_applications.yml").read_text())
        return set(grid["datasets"]), set(grid["models"]), set(applications["applications"])

    brought = [new - old for new, old in zip(read(grown_project), read(project_path), strict=True)]

    assert brought == [
        {"orchard"},
        {"extra_trees", "gated", "incumbent", "power_svm"},
        {"sorting_line"},
    ]


def test_imported_model_that_does_not_fit_ends_the_run_with_one_message(
    grown_project: Path,
) -> None:
    changes = "grid.datasets=orchard,grid.models=incumbent,models.incumbent.columns=[mass_g]"

    result = try_project(grown_project, "--pipelines", "perf", "--params", changes)

    assert result.returncode == 1
    assert "models.incumbent: models/apples.onnx does not fit orchard" in result.stderr
    assert "takes 2 values a row, the dataset has 1 columns: mass_g" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
def test_ranking_contains_what_the_guide_brought(grown_project: Path) -> None:
    grid = {
        "datasets": ["orchard"],
        "models": ["linear", "extra_trees", "power_svm", "gated", "incumbent"],
    }
    tiny = grown_project / "conf" / "test" / "parameters_grid.yml"
    tiny.write_text(yaml.safe_dump({"grid": grid}))

    run_project(grown_project, "--pipelines", "perf")

    profiles = read_result(grown_project, "07_model_output/resource_profiles.parquet")
    ranked = read_result(grown_project, "08_reporting/rankings.parquet").filter(
        pl.col("dataset") == "orchard", pl.col("application") == "sorting_line"
    )
    assert set(profiles.select("dataset", "model", "runtime").unique().rows()) == {
        ("orchard", model, runtime)
        for model in ("linear", "extra_trees", "power_svm", "gated")
        for runtime in ("native", "onnx")
    } | {("orchard", "incumbent", "onnx")}
    assert set(ranked["model"]) == {"linear", "extra_trees", "power_svm", "gated", "incumbent"}
    assert ranked["utility"].null_count() == 0
    assert ranked["rank"].min() == 1
