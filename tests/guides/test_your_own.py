"""The guide works as it stands: its blocks, added to a fresh copy of the project, take part."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner
from harness.guides import copy_project, read_guide
from harness.python_programs import run_python
from PIL import Image

from rightfit.cli.verb_group import verbs
from rightfit_kedro.run import RightfitSession

pytestmark = [pytest.mark.whole, pytest.mark.long]

MAX_CHANGED_LINES = 120
MAX_BLOCK_LINES = 8
Export = Callable[[str], Path]
# What is searched of the guide's datasets
MODELS_OF = {
    "orchard": {"linear", "extra_trees", "power_svm", "gated", "incumbent", "fitted"},
    "cider": {"linear", "boosting"},
    "tastings": {"linear"},
    "photos": {"linear", "convnet"},
}


@pytest.fixture(scope="module")
def grown_project(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after following the guide."""
    copy = copy_project(project_path, tmp_path_factory.mktemp("grown"))
    for block in read_guide(project_path):
        block.apply(copy)
    make_orchard().write_csv(copy / "data" / "01_raw" / "orchard.csv")
    make_cider().write_parquet(copy / "data" / "01_raw" / "cider.parquet")
    write_incumbent(copy / "models" / "apples.onnx")
    write_fitted(copy / "models" / "apples.skops")
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


def write_fitted(path: Path) -> None:
    """Train a pipeline that reads columns by their names, a text among them, and keep its file."""
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    apples = make_orchard().to_pandas()
    columns = ColumnTransformer(
        [("soil", OneHotEncoder(sparse_output=False), ["soil"])], remainder="passthrough"
    )
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10, random_state=0))
    skops.io.dump(model.fit(apples[["mass_g", "width_mm", "soil"]], apples["variety"]), path)


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


def make_cider() -> pl.DataFrame:
    """Draw 900 crates of apples, whose litres of cider follow from mass, width and soil."""
    rng = np.random.default_rng(1)
    n = 900
    mass, width, soil = rng.normal(150, 20, n), rng.normal(70, 5, n), rng.integers(0, 3, n)
    litres = 20 + 0.2 * mass - 0.3 * width + np.array([0.0, 5.0, -8.0])[soil]
    return pl.DataFrame(
        {
            "mass_g": mass,
            "width_mm": width,
            "soil": np.array(["clay", "loam", "sand"])[soil],
            "litres": litres + rng.normal(0, 2, n),
        }
    )


def make_tastings() -> pl.DataFrame:
    """Draw 400 notes of tasters, some missing; nine of ten words of praise or blame are meant."""
    rng = np.random.default_rng(2)
    liked = rng.integers(0, 2, 400)
    tones = (["flat", "sour", "dull", "stale"], ["fresh", "crisp", "lovely", "balanced"])
    others = ["the", "a", "with", "of", "nose", "apple", "hint", "long", "glass", "finish"]
    notes = []
    for like in liked:
        tone = tones[like if rng.random() < 0.9 else 1 - like]
        words = [*rng.choice(others, 6), *rng.choice(tone, 2)]
        rng.shuffle(words)
        notes.append(" ".join(words).capitalize() + "." if rng.random() > 0.03 else None)
    return pl.DataFrame(
        {
            "notes": notes,
            "price": rng.normal(5, 1, 400) + 0.3 * liked,
            "liked": np.array(["no", "yes"])[liked],
        }
    )


def write_photos(folder: Path) -> None:
    """Draw 240 apples of three varieties, each with its colour, as PNG or JPEG of any size."""
    rng = np.random.default_rng(3)
    colours = {"boskoop": (150, 110, 40), "elstar": (190, 60, 40), "topaz": (150, 120, 60)}
    for i in range(240):
        name, colour = list(colours.items())[i % 3]
        size = (int(rng.integers(16, 60)), int(rng.integers(16, 60)))
        noise = rng.normal(0, 30, (size[1], size[0], 3))
        pixels = np.clip(noise + rng.normal(0, 15) + colour, 0, 255).astype(np.uint8)
        path = folder / name / f"{i:04d}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def ran(grown_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grown project after one run of the main job on all that the guide brought."""
    project = copy_project(grown_project, tmp_path_factory.mktemp("ran"))
    raw = project / "data" / "01_raw"
    shutil.copytree(grown_project / "data" / "01_raw", raw, dirs_exist_ok=True)
    shutil.copytree(grown_project / "models", project / "models")
    make_tastings().write_parquet(raw / "tastings.parquet")
    write_photos(raw / "photos")
    grid = {"datasets": [*MODELS_OF], "models": sorted(set().union(*MODELS_OF.values()))}
    (project / "conf" / "test" / "parameters_grid.yml").write_text(yaml.safe_dump({"grid": grid}))
    described = project / "conf" / "test" / "parameters_models.yml"
    blocks = yaml.safe_load(described.read_text())
    for model in grid["models"]:
        datasets = [dataset for dataset, models in MODELS_OF.items() if model in models]
        blocks["models"].setdefault(model, {})["datasets"] = datasets
    described.write_text(yaml.safe_dump(blocks))
    result = try_project(project, "--pipelines", "perf")
    assert result.returncode == 0, result.stdout + result.stderr
    return project


def try_project(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a project with the tests' tiny budgets."""
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_family_of_the_guide_keeps_its_promises(grown_project: Path) -> None:
    done = run_python(
        "-m",
        "pytest",
        "-q",
        "tests/test_extra_trees.py",
        folder=grown_project,
        PYTHONPATH=str(grown_project / "src"),
    )

    assert done.returncode == 0, done.stdout + done.stderr


def read_result(project: Path, name: str) -> pl.DataFrame:
    (written,) = (project / "data" / name).glob("*/*.parquet")
    return pl.read_parquet(written)


def test_guide_changes_few_lines(project_path: Path) -> None:
    blocks = read_guide(project_path)

    assert {block.language for block in blocks} == {"diff", "python", "yaml"}
    assert sum(len(block.added) for block in blocks) <= MAX_CHANGED_LINES


def test_block_and_its_line_are_enough_for_a_parquet_file(
    bootstrapped: Path, tmp_path: Path
) -> None:
    copy = copy_project(bootstrapped, tmp_path)
    _, block, line = read_guide(bootstrapped)[:3]
    block.apply(copy)
    line.apply(copy)
    make_orchard().write_parquet(copy / "data" / "01_raw" / "orchard.parquet")

    given = {"grid": {"datasets": ["orchard"]}, "data_root": str(copy / "data")}
    with RightfitSession.create(
        bootstrapped, env="test", conf_source=str(copy / "conf"), runtime_params=given
    ) as session:
        session.run(pipeline_names=["data_engineering"])

    (path,) = (copy / "data" / "05_model_input" / "orchard" / "data_card.json").glob("*/*.json")
    card = json.loads(path.read_text())
    assert len(block.added) <= MAX_BLOCK_LINES
    assert card["features"]["numeric"] == ["mass_g", "width_mm"]
    assert card["features"]["categorical"] == ["soil", "slope"]
    assert card["input_schema"]["classes"] == ["boskoop", "elstar", "topaz"]
    assert card["quality"] == {
        "name": "accuracy",
        "worst": 0.34,
        "best": 1.0,
        "options": {},
        "threshold": None,
        "costs": None,
    }


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
        {"orchard", "cider", "tastings", "photos"},
        {"convnet", "extra_trees", "fitted", "gated", "incumbent", "power_svm"},
        {"sorting_line"},
    ]


def test_imported_model_that_does_not_fit_ends_the_run_with_one_message(
    grown_project: Path,
) -> None:
    changes = "grid.datasets=orchard,grid.models=incumbent,models.incumbent.columns=[mass_g]"

    result = try_project(grown_project, "--pipelines", "perf", "--params", changes)

    assert result.returncode == 1
    assert "models.incumbent: models/apples.onnx does not fit orchard" in result.stderr
    assert "takes 2 values a row, the dataset has 1 column: mass_g" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
def test_ranking_contains_what_the_guide_brought(ran: Path) -> None:
    of_orchard = pl.col("dataset") == "orchard"

    profiles = read_result(ran, "07_model_output/resource_profiles.parquet").filter(of_orchard)
    ranked = read_result(ran, "08_reporting/rankings.parquet").filter(
        of_orchard, pl.col("application") == "sorting_line"
    )

    assert set(profiles.select("model", "runtime").unique().rows()) == {
        (model, runtime)
        for model in ("linear", "extra_trees", "power_svm", "gated", "fitted")
        for runtime in ("native", "onnx")
    } | {("incumbent", "onnx")}
    assert set(ranked["model"]) == MODELS_OF["orchard"]
    assert ranked["utility"].null_count() == 0
    assert ranked["rank"].min() == 1


@pytest.mark.slow
def test_regression_goes_from_raw_table_to_report_and_export(ran: Path, export: Export) -> None:
    of_cider = pl.col("dataset") == "cider"

    profiles = read_result(ran, "07_model_output/resource_profiles.parquet").filter(of_cider)
    ranked = read_result(ran, "08_reporting/rankings.parquet").filter(of_cider)
    report = ran / "data" / "08_reporting" / "report.html"
    (card,) = (ran / "data" / "05_model_input").glob("cider/data_card.json/*/*.json")

    assert set(profiles.select("model", "runtime").unique().rows()) == {
        (model, runtime) for model in ("linear", "boosting") for runtime in ("native", "onnx")
    }
    assert profiles["quality_raw"].max() > -2.5  # the noise alone is 2 litres
    assert profiles["quality"].is_between(0, 1).all()
    below, above = profiles["quality_raw_low"], profiles["quality_raw_high"]
    assert ((below < profiles["quality_raw"]) & (profiles["quality_raw"] < above)).all()
    assert ranked["rank"].min() == 1
    assert set(ranked["model"]) == {"linear", "boosting"}
    assert "negative RMSE" in report.read_text()
    assert json.loads(card.read_text())["target_values"]["train"]["std"] > 5
    crates = make_cider().head(50)
    folder = export("cider")
    answers = np.array([row["value"] for row in ask(folder, crates.drop("litres").to_dicts())])
    assert np.sqrt(np.mean((answers - crates["litres"].to_numpy()) ** 2)) < 4
    assert "predicted `litres`" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_texts_and_images_go_from_raw_files_to_an_exported_model(ran: Path, export: Export) -> None:
    profiles = read_result(ran, "07_model_output/resource_profiles.parquet")
    whole = profiles.filter(
        pl.col("request_path") == "request", pl.col("dataset").is_in(["tastings", "photos"])
    )

    assert set(whole.select("dataset", "model", "runtime").unique().rows()) == {
        (dataset, model, runtime)
        for dataset, model in (("tastings", "linear"), ("photos", "linear"), ("photos", "convnet"))
        for runtime in ("native", "onnx")
    }
    tastings = make_tastings().head(100)
    judged = [row["class"] for row in ask(export("tastings"), tastings.drop("liked").to_dicts())]
    assert np.mean(judged == tastings["liked"].to_numpy()) > 0.75
    files = sorted((ran / "data" / "01_raw" / "photos").glob("*/*"))[::6]
    pictures = [{"image": base64.b64encode(file.read_bytes()).decode()} for file in files]
    folder = export("photos")
    named = [row["class"] for row in ask(folder, pictures)]
    assert (
        np.mean([name == file.parent.name for name, file in zip(named, files, strict=True)]) > 0.75
    )
    assert "pip install numpy onnxruntime pillow" in (folder / "README.md").read_text()


@pytest.fixture
def export(
    ran: Path, bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Export:
    """Ask for the winner of a dataset, and export it into a folder."""
    monkeypatch.chdir(bootstrapped)
    place = ("--env", "test", "--conf-source", str(ran / "conf"), "--data-root", str(ran / "data"))

    def run_verb(*words: str) -> None:
        result = CliRunner().invoke(verbs, [*words, "--application", "accuracy_first", *place])
        assert result.exit_code == 0, result.output

    def export_one(dataset: str) -> Path:
        folder = tmp_path / dataset
        run_verb("which", "--dataset", dataset)
        run_verb("export", "--dataset", dataset, str(folder))
        return folder

    return export_one


def ask(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an exported program answers."""
    found = run_python("usage.py", folder=folder, text=json.dumps(rows), check=True)
    answers: list[dict[str, Any]] = json.loads(found.stdout)
    return answers
